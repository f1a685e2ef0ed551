// The order ticket: legs from the chain or a preset, live payoff, worst case in dollars, sent only after its sentence is confirmed.

import { post } from "./api.js";
import { chainOf, wantChain } from "./chains.js";
import { complain, confirm, say } from "./dialogs.js";
import { h, keyed, text } from "./dom.js";
import { bound, contract, expiry, gain, known, legs as legWords, money, number, percent } from "./format.js";
import { worstCase } from "./positions.js";
import { define, Panel } from "./panel.js";
import { payoffDrawing } from "./payoff.js";
import { PRESETS, preset } from "./presets.js";
import { store } from "./store.js";

const PREVIEW_AFTER = 250;
const PREVIEW_AGAIN = 4000;

class Ticket extends Panel {
  static topics = ["underlyings", "chains"];

  build() {
    this.legs = [];
    this.next = 1;
    this.position = "";
    this.underlying = h("select", { "aria-label": "underlying", onchange: () => this.choose() });
    this.expiry = h("select", { "aria-label": "expiry", onchange: () => this.chosen() });
    this.preset = h(
      "select",
      { "aria-label": "strategy", onchange: () => this.fill() },
      h("option", { value: "" }, "legs by hand"),
      PRESETS.map(([name, label]) => h("option", { value: name }, label)),
    );
    this.list = h("div.legs");
    this.quantity = h("input", { type: "number", min: 1, step: 1, value: 1, "aria-label": "units", oninput: () => this.soon() });
    this.limit = h("input.price", { type: "text", inputmode: "decimal", "aria-label": "limit per unit", placeholder: "limit", oninput: () => this.soon() });
    this.force = h("select", { "aria-label": "time in force" }, h("option", {}, "day"), h("option", {}, "gtc"));
    this.closing = h("div.closing.hidden");
    this.answer = h("div.form");
    this.send = h("button.primary", { type: "submit", disabled: true }, "Review and send");
    this.append(
      h(
        "form.form",
        { onsubmit: (event) => (event.preventDefault(), this.review()) },
        h("div.row", {}, this.underlying, this.expiry, this.preset, h("button.quiet", { type: "button", onclick: () => this.clear() }, "clear")),
        this.closing,
        this.list,
        h("div.row", {}, h("button", { type: "button", onclick: () => this.add() }, "add a leg")),
        h(
          "div.row",
          {},
          h("label", {}, "units", this.quantity),
          h("label", {}, "limit", this.limit),
          h("button.quiet", { type: "button", title: "limit at the mid", onclick: () => this.at("mid") }, "mid"),
          h("button.quiet", { type: "button", title: "the price that fills now", onclick: () => this.at("natural") }, "natural"),
          this.force,
        ),
        this.answer,
        h("div.row", {}, this.send),
      ),
    );
    this.again = setInterval(() => this.isConnected && !this.closest(".hidden") && this.legs.length && this.preview(), PREVIEW_AGAIN);
  }

  get chain() {
    return chainOf(this.underlying.value);
  }

  refresh() {
    const names = (store.get("underlyings") ?? []).map((each) => each.symbol);
    fillOptions(this.underlying, names.map((name) => [name, name]));
    if (this.underlying.value) wantChain(this.underlying.value);
    const expiries = this.chain?.expiries ?? [];
    fillOptions(this.expiry, expiries.map((each) => [each.key, `${expiry(each.expiry)} · ${each.dte} d${each.am ? " AM" : ""}`]));
    if (!this.expiry.dataset.chosen && expiries.length) {
      const near = expiries.find((each) => each.dte >= 20) ?? expiries.at(-1);
      this.expiry.value = near.key;
      this.expiry.dataset.chosen = "1";
    }
    this.draw();
  }

  choose() {
    delete this.expiry.dataset.chosen;
    this.legs = [];
    this.preset.value = "";
    this.refresh();
  }

  chosen() {
    this.expiry.dataset.chosen = "1";
    if (this.preset.value) this.fill();
    else this.draw();
  }

  clear() {
    this.legs = [];
    this.position = "";
    this.preset.value = "";
    this.limit.value = "";
    this.quantity.value = 1;
    this.answer.replaceChildren();
    this.closing.classList.add("hidden");
    this.send.disabled = true;
    this.draw();
  }

  /** A leg from the chain: a click on an ask buys, on a bid sells; the same again raises its ratio. */
  take(symbol, side) {
    const found = contract(symbol);
    if (found && store.get("underlyings")?.every((each) => each.symbol !== this.underlying.value)) this.refresh();
    const same = this.legs.find((leg) => leg.symbol === symbol);
    if (same) same.ratio += side;
    else this.legs.push({ id: this.next++, symbol, ratio: side });
    this.legs = this.legs.filter((leg) => leg.ratio);
    this.preset.value = "";
    this.draw();
    this.soon();
  }

  /** The close of a position, ready to be looked at. */
  close(position) {
    this.underlying.value = position.underlying;
    this.choose();
    this.clear();
    this.position = position.position_id;
    const sizes = position.legs.map((leg) => Math.abs(leg.quantity));
    const units = sizes.reduce(divisor, 0) || 1;
    this.legs = position.legs.map((leg) => ({ id: this.next++, symbol: leg.symbol, ratio: -leg.quantity / units }));
    this.quantity.value = units;
    text(this.closing, `closes ${position.strategy ?? "position"} ${legWords(position.legs)}`);
    this.closing.classList.remove("hidden");
    this.draw();
    this.priced = "mid";
    this.soon();
  }

  fill() {
    const made = preset(this.preset.value, this.chain, this.expiry.value);
    if (!made) return;
    if (made.error) {
      complain({ message: made.error });
      return;
    }
    this.position = "";
    this.closing.classList.add("hidden");
    this.legs = made.legs.map((leg) => ({ id: this.next++, ...leg }));
    this.limit.value = "";
    this.priced = "mid";
    this.draw();
    this.soon();
  }

  add() {
    const page = this.chain?.expiries.find((each) => each.key === this.expiry.value);
    const row = page?.rows.at(Math.floor(page.rows.length / 2));
    if (row) this.take((row.call ?? row.put).symbol, 1);
  }

  draw() {
    keyed(
      this.list,
      this.legs,
      (leg) => leg.id,
      (leg) => this.legRow(leg),
      (element, leg) => this.updateLeg(element, leg),
    );
  }

  legRow(leg) {
    const side = h("input", { type: "number", step: 1, "aria-label": "ratio, minus sells", oninput: () => this.change(leg, Number(side.value) || leg.ratio) });
    const which = h("select", { "aria-label": "contract", onchange: () => ((leg.symbol = which.value), (this.preset.value = ""), this.soon(), this.draw()) });
    const row = h(
      "div.leg",
      {},
      side,
      which,
      h("span.quiet.number"),
      h("button.quiet", { type: "button", title: "remove", "aria-label": "remove leg", onclick: () => this.take(leg.symbol, -leg.ratio) }, "×"),
    );
    return row;
  }

  change(leg, ratio) {
    leg.ratio = ratio;
    this.preset.value = "";
    this.soon();
    this.draw();
  }

  updateLeg(element, leg) {
    const [side, which, quote] = element.children;
    if (document.activeElement !== side) side.value = leg.ratio;
    const found = contract(leg.symbol);
    const page = this.chain?.expiries.find((each) => found && each.roots.includes(found.root) && each.expiry === found.expiry);
    const options = [];
    for (const row of page?.rows ?? []) {
      for (const each of [row.put, row.call]) if (each) options.push([each.symbol, `${expiry(page.expiry)} ${row.strike} ${each.symbol[12]}`]);
    }
    if (!options.some(([symbol]) => symbol === leg.symbol)) options.unshift([leg.symbol, leg.symbol]);
    fillOptions(which, options);
    which.value = leg.symbol;
    const quoted = this.chain?.bySymbol.get(leg.symbol);
    text(quote, quoted ? `${money(quoted.bid)} / ${money(quoted.ask)}` : "");
  }

  at(which) {
    this.priced = which;
    this.soon();
  }

  soon() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.preview(), PREVIEW_AFTER);
  }

  body() {
    const limit = this.limit.value.trim().replace(",", ".").replace("−", "-");
    return {
      legs: this.legs.map(({ symbol, ratio }) => ({ symbol, ratio })),
      quantity: Number(this.quantity.value) || 1,
      time_in_force: this.force.value,
      ...(limit && !this.priced ? { limit_price: limit } : {}),
      ...(this.position ? { position_id: this.position } : {}),
    };
  }

  async preview() {
    clearTimeout(this.waiting);
    if (!this.legs.length) {
      this.answer.replaceChildren();
      this.send.disabled = true;
      return;
    }
    const asked = (this.asked = Symbol("preview"));
    try {
      const priced = this.priced;
      const found = await post("/orders/preview", this.body());
      if (asked !== this.asked) return;
      // Without a limit the middle is taken, rounded to the class's tick.
      const price = priced === "mid" ? found.limit_price : found[priced];
      if (priced && known(price)) {
        this.priced = null;
        this.limit.value = price;
        this.preview();
        return;
      }
      this.shown = found;
      this.show(found);
    } catch (problem) {
      if (asked !== this.asked) return;
      this.send.disabled = true;
      this.answer.replaceChildren(h("div.error", {}, problem.message));
    }
  }

  show(found) {
    this.send.disabled = !this.limit.value.trim();
    const { approved, reasons } = found.verdict;
    const pairs = [
      ["worst case", worstCase(found.maximum_loss)],
      ["best case", bound(found.maximum_profit)],
      ["break-evens", (found.break_evens ?? []).map((each) => number(each, 2)).join("  ") || "–"],
      ["chance of profit", percent(found.probability_of_profit, 0)],
      ["expected", gain(found.expected_value, 0)],
      ["mid / natural", `${money(found.mid)} / ${money(found.natural)}`],
      ["fees", money(found.fees)],
      ["buying power", gain(found.buying_power_effect, 0)],
          ];
    const closed = this.position ? (store.get("positions") ?? []).find((each) => each.position_id === this.position) : null;
    if (closed) pairs.splice(0, 3, ["result at this limit", gain(Number(closed.cash) - Number(found.cash) - Number(found.fees))]);
    this.answer.replaceChildren(
      h("div.sentence", {}, found.sentence ?? ""),
      ...(closed
        ? []
        : [
            payoffDrawing({
              vertices: found.vertices ?? [],
              right: found.slope ?? 0,
              spot: this.chain?.spot,
              breakEvens: found.break_evens ?? [],
            }),
          ]),
      h("dl.facts-grid", { title: "chances are risk-neutral, held to expiry, after fees both ways" }, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      h(
        `div.verdict.${approved ? "passed" : "refused"}`,
        {},
        approved ? "Risk lets it pass." : "Risk would deny it:",
        found.scenario_change ? h("div.under", {}, found.scenario_change) : null,
        approved ? null : reasons.map((reason) => h("div", {}, reason.message)),
      ),
    );
  }

  review() {
    if (!this.shown) return;
    const body = { order_id: newId(), ...this.body(), limit_price: this.limit.value.trim() };
    confirm("Send this order?", this.shown.sentence ?? "", "Send", async () => {
      const order = await post("/orders?wait=decided", body);
      say(`order ${order.order_id} is ${order.state ?? "taken"}`);
      this.clear();
    });
  }
}

function newId() {
  return `web-${Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function divisor(a, b) {
  return b ? divisor(b, a % b) : a;
}

/** Gives a select these [value, label] options, keeping what is chosen where it still exists. */
function fillOptions(select, options) {
  const signature = options.map(([value, label]) => `${value}|${label}`).join(";");
  if (select.dataset.signature === signature) return;
  select.dataset.signature = signature;
  const chosen = select.value;
  select.replaceChildren(...options.map(([value, label]) => h("option", { value }, label)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}

define("cb-ticket", Ticket);
