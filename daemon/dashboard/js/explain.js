// Why a position is still held: each rule, and how far it is from firing. Its payoff and greeks beside it.

import { get } from "./api.js";
import { h } from "./dom.js";
import { bound, gain, legs as legWords, number, price } from "./format.js";
import { define, Panel } from "./panel.js";
import { payoffDrawing } from "./payoff.js";
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
      ["P&L on marks", gain(position.pnl)], ["on natural", gain(position.pnl_natural)], ["mark / natural", `${price(position.mark)} / ${price(position.natural)}`],
      ["best case", bound(position.max_profit)], ["worst case", bound(position.max_loss)], ["break-evens", (position.break_evens ?? []).map((x) => number(x)).join("  ") || "–"],
      ["Δ shares", number(position.delta, 1)], ["Γ per $", number(position.gamma, 2)], ["Θ $ a day", gain(position.theta)], ["V $ a point", gain(position.vega)],
      ["if we die", position.if_we_die ?? "–"], ["rests at the broker", position.rests || "nothing"],
    ];
    this.page.replaceChildren(
      h("strong", {}, `${position.underlying} ${position.strategy ?? ""}  `, h("span.quiet", {}, legWords(position.legs))),
      payoffDrawing({
        vertices: position.vertices ?? [], left: position.left_slope ?? 0, right: position.right_slope ?? 0,
        spot: position.spot, breakEvens: position.break_evens ?? [],
      }),
      h("dl.facts-grid", {}, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
      this.why?.problem ? h("div.error", {}, this.why.problem.message) : null,
      rules.length
        ? h("table", {}, h("tbody", {}, rules.map((rule) => h("tr", {}, h("td", {}, rule.rule ?? rule.name), h("td.wrap", {}, rule.words ?? "")))))
        : h("div.empty", {}, this.why?.words ?? "no exit rule watches this position"),
    );
  }
}

define("cb-explain", Explain);
