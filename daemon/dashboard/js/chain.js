// The chain of one underlying and expiry with greeks, and its smile. A click on a bid sells it, on an ask buys it.

import { chainOf, load, wantChain } from "./chains.js";
import { flags, h, keyed, svg, text } from "./dom.js";
import { expiry, known, money, number, percent } from "./format.js";
import { define, Panel } from "./panel.js";
import { show } from "./side.js";
import { store } from "./store.js";

const FIT_AGAIN = 10_000;

class Chain extends Panel {
  static topics = ["chains", "underlyings"];

  build() {
    this.underlying = h("select", { "aria-label": "underlying", onchange: () => this.refresh() });
    this.expiry = h("select", { "aria-label": "expiry", onchange: () => this.refresh() });
    this.spot = h("strong");
    this.about = h("span.quiet");
    const head = ["Δ", "IV", "bid", "ask", "strike", "bid", "ask", "IV", "Δ"];
    this.body = h("tbody");
    this.smile = h("div");
    // Quotes come by the feed, the fitted line does not.
    setInterval(() => !this.closest(".hidden") && chainOf(this.underlying.value) && load(this.underlying.value), FIT_AGAIN);
    this.append(
      h(
        "div.form",
        {},
        h("div.row", {}, this.underlying, this.expiry, this.spot, this.about),
        this.smile,
        h(
          "div.scroll",
          {},
          h(
            "table.chain",
            {},
            h("thead", {}, h("tr", {}, h("th", { colspan: 4 }, "calls"), h("th"), h("th", { colspan: 4 }, "puts")), h("tr", {}, head.map((label) => h("th", {}, label)))),
            this.body,
          ),
        ),
      ),
    );
  }

  refresh() {
    if (this.closest(".hidden")) return;
    options(this.underlying, (store.get("underlyings") ?? []).map((each) => [each.symbol, each.symbol]));
    if (!this.underlying.value) return;
    wantChain(this.underlying.value);
    const chain = chainOf(this.underlying.value);
    if (!chain) return;
    options(this.expiry, chain.expiries.map((each) => [each.key, `${expiry(each.expiry)} · ${each.dte} d${each.am ? " AM" : ""}`]));
    const page = chain.expiries.find((each) => each.key === this.expiry.value) ?? chain.expiries[0];
    text(this.spot, money(chain.spot));
    text(this.about, known(page?.forward) ? `forward ${number(page.forward)}` : "");
    if (!page) return;
    const at = page.rows.findIndex((row) => row.strike >= (page.forward ?? chain.spot));
    keyed(this.body, page.rows, (row) => `${page.key} ${row.strike}`, () => this.make(), (element, row) => this.update(element, row, page.rows.indexOf(row) === at, chain.spot));
    this.smile.replaceChildren(drawSmile(page, chain.spot));
  }

  make() {
    const element = h("tr", {}, ...Array.from({ length: 9 }, () => h("td")));
    const cells = element.children;
    cells[4].classList.add("strike");
    for (const [i, side, sign] of [[2, "call", -1], [3, "call", 1], [5, "put", -1], [6, "put", 1]]) {
      cells[i].classList.add("pick");
      cells[i].title = sign > 0 ? "buy" : "sell";
      cells[i].addEventListener("click", () => element.row[side] && show("ticket").take(element.row[side].symbol, sign));
    }
    return element;
  }

  update(element, row, at, spot) {
    element.row = row;
    const cells = element.children;
    const [call, put] = [row.call ?? {}, row.put ?? {}];
    text(cells[0], number(call.delta, 2));
    text(cells[1], known(call.iv) ? number(call.iv * 100, 1) : "–");
    text(cells[2], money(call.bid));
    text(cells[3], money(call.ask));
    text(cells[4], number(row.strike, row.strike % 1 ? 1 : 0));
    text(cells[5], money(put.bid));
    text(cells[6], money(put.ask));
    text(cells[7], known(put.iv) ? number(put.iv * 100, 1) : "–");
    text(cells[8], number(put.delta, 2));
    flags(element, { "at-money": at });
    for (let i = 0; i < 4; i++) flags(cells[i], { in: row.strike < spot, stale: stale(call) });
    for (let i = 5; i < 9; i++) flags(cells[i], { in: row.strike > spot, stale: stale(put) });
  }
}

const stale = (quoted) => quoted.mark_flag === "stale";

function options(select, wanted) {
  const signature = JSON.stringify(wanted);
  if (select.dataset.signature === signature) return;
  select.dataset.signature = signature;
  const chosen = select.value;
  select.replaceChildren(...wanted.map(([value, label]) => h("option", { value }, label)));
  if (wanted.some(([value]) => value === chosen)) select.value = chosen;
}

/** Implied volatility by strike: out-of-the-money quotes as dots, the fitted smile as a line. */
function drawSmile(page, spot) {
  const money = page.forward ?? spot;
  const dots = page.rows
    .map((row) => [row.strike, (row.strike < money ? row.put : row.call)?.iv])
    .filter(([, iv]) => known(iv));
  if (dots.length < 3) return h("span");
  const line = (page.fitted ?? []).map((each) => [Number(each.strike), each.iv]);
  const [xs, ys] = [dots.map(([x]) => x), [...dots, ...line].map(([, y]) => Number(y))];
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const sx = (x) => 34 + ((x - left) / (right - left || 1)) * 358;
  const sy = (y) => 8 + ((high - y) / (high - low || 1)) * 66;
  const label = (y, words) => {
    const element = svg("text", { x: 30, y, class: "end" });
    text(element, words);
    return element;
  };
  const inside = line.filter(([x]) => x >= left && x <= right);
  return svg(
    "svg",
    { viewBox: "0 0 400 84", class: "payoff", role: "img", "aria-label": "smile" },
    inside.length ? svg("path", { class: "today", d: inside.map(([x, y], i) => `${i ? "L" : "M"}${sx(x).toFixed(1)} ${sy(y).toFixed(1)}`).join("") }) : null,
    dots.map(([x, y]) => svg("circle", { cx: sx(x).toFixed(1), cy: sy(y).toFixed(1), r: 1.8, class: "dot" })),
    svg("line", { x1: sx(money), x2: sx(money), y1: 4, y2: 80, class: "spot" }),
    label(12, percent(high, 0)),
    label(76, percent(low, 0)),
  );
}

define("cb-chain", Chain);
