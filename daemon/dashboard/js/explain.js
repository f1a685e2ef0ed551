// Why a position is still held: each rule, and how far it is from firing. Its payoff and greeks beside it.

import { get } from "./api.js";
import { h } from "./dom.js";
import { bound, gain, known, legs as legWords, number, price } from "./format.js";
import { define, Panel } from "./panel.js";
import { heldPayoff, payoffDrawing } from "./payoff.js";
import { worstCase } from "./positions.js";
import { store } from "./store.js";

class Explain extends Panel {
  static topics = ["positions"];

  build() {
    this.page = h("div.form", {}, h("div.empty", {}, "choose ‘why’ on a position"));
    this.append(this.page);
  }

  async look(position) {
    this.shown = position.position_id;
    const found = await get(`/positions/${encodeURIComponent(position.position_id)}/explain`).catch((problem) => ({ problem }));
    if (this.shown !== position.position_id) return;
    this.why = found;
    this.refresh();
  }

  refresh() {
    if (!this.shown) return;
    const position = (store.get("positions") ?? []).find((each) => each.position_id === this.shown);
    if (!position) {
      this.page.replaceChildren(h("div.empty", {}, "this position is closed"));
      return;
    }
    const rules = this.why?.rules ?? [];
    const pairs = [
      ["P&L on marks", gain(position.profit_mark)], ["on natural", gain(position.profit_natural)], ["mark / natural", `${price(position.mark)} / ${price(position.natural)}`],
      ["best case", bound(position.maximum_profit)], ["worst case", worstCase(position.maximum_loss)], ["break-evens", (position.break_evens ?? []).map((x) => number(x)).join("  ") || "–"],
      ["Δ shares", number(position.measures.delta, 1)], ["Γ per 1 %", number(position.measures.gamma_percent, 1)], ["Θ $ a day", gain(position.measures.theta)],
      ["V $ a point", gain(position.measures.vega)], ["short Δ", number(position.short_delta, 2)], ["short strike away", known(position.short_distance) ? `${number(position.short_distance, 2)} expected moves` : "–"],
      ["if we die", position.if_we_die ?? "–"], ["next rule", position.next_rule ?? "none"],
    ];
    this.page.replaceChildren(
      h("strong", {}, `${position.underlying} ${position.strategy ?? ""}  `, h("span.quiet", {}, legWords(position.legs))),
      payoffDrawing({
        ...(heldPayoff(position.legs, position.cash) ?? { vertices: [] }),
        spot: position.spot, breakEvens: position.break_evens ?? [],
      }),
      h("dl.facts-grid", {}, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      ...(this.why?.problem ? [h("div.error", {}, this.why.problem.message)] : []),
      ...rules.map(ruleBox),
      ...(this.why?.absent?.length ? [h("div.quiet", {}, `Not watched here: ${this.why.absent.join(", ")}.`)] : []),
    );
  }
}

function ruleBox(rule) {
  const said = (value) => (value === null ? "–" : `${value} ${rule.unit}`);
  const away = rule.distance === null ? "how far is not known" : `${said(rule.distance)} away`;
  return h(
    "div.rule",
    { title: rule.looks_at },
    h("div", {}, h("strong", {}, rule.rule.replaceAll("_", " ")), h("span.quiet", {}, ` ${rule.does}`)),
    h("div", {}, `now ${said(rule.value)}, fires at ${said(rule.limit)}: ${away}`),
  );
}

define("cb-explain", Explain);
