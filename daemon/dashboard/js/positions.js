// Positions by underlying, then campaign: what they are worth on marks and on natural, and what comes next.

import { flags, h, keyed, table, text } from "./dom.js";
import { bound, gain, known, legs as legWords, money, number, percent, price } from "./format.js";
import { define, Panel } from "./panel.js";
import { show } from "./side.js";
import { store } from "./store.js";

class Positions extends Panel {
  static topics = ["positions"];

  build() {
    const { table: element, body } = table([
      ["position", "strategy and legs"],
      ["mark", "per unit; minus would be paid to close", "number"],
      ["natural", "what closing now would cost", "number wide-only"],
      ["P&L", "on marks, in dollars", "number"],
      ["of max", "of the most it can make", "number"],
      ["DTE", "days to the last trade", "number"],
      ["Δ", "shares", "number"],
      ["Θ", "dollars a day", "number wide-only"],
      ["V", "dollars a volatility point", "number wide-only"],
      ["worst", "at expiry, in dollars", "number wide-only"],
      ["", ""],
    ]);
    this.body = body;
    this.count = h("span.quiet");
    this.none = h("div.empty", {}, "nothing is held");
    this.append(
      h("section.panel", {}, h("header", {}, h("h2", {}, "Positions"), this.count), h("div.scroll", {}, element), this.none),
    );
  }

  refresh() {
    const all = store.get("positions") ?? [];
    text(this.count, all.length ? String(all.length) : "");
    flags(this.none, { hidden: all.length > 0 });
    const rows = [];
    const underlyings = [...new Set(all.map((each) => each.underlying))].sort();
    for (const underlying of underlyings) {
      const own = all.filter((each) => each.underlying === underlying);
      const greeks = own.map((each) => each.measures);
      rows.push({
        key: `u-${underlying}`, underlying, spot: own[0].spot, group: true, profit_mark: total(own, "profit_mark"),
        measures: { delta: total(greeks, "delta"), theta: total(greeks, "theta"), vega: total(greeks, "vega") },
      });
      rows.push(...own.sort((a, b) => (a.opened_at < b.opened_at ? -1 : 1)).map((each) => ({ key: each.position_id, ...each })));
    }
    keyed(this.body, rows, (row) => row.key, (row) => this.make(row), (element, row) => this.update(element, row));
  }

  make(row) {
    const element = h("tr", {}, ...Array.from({ length: 11 }, (_, i) => h("td", { class: i && i < 10 ? ([2, 7, 8, 9].includes(i) ? "number wide-only" : "number") : null })));
    element.children[0].append(h("div"), h("div.under"));
    if (row.group) element.classList.add("group");
    else {
      element.children[10].append(
        h("button.quiet", { type: "button", title: "each rule and how far it is", onclick: () => show("explain").look(element.row) }, "why"),
        h("button.quiet", { type: "button", onclick: () => show("ticket").close(element.row) }, "close"),
      );
    }
    return element;
  }

  update(element, row) {
    element.row = row;
    const [what, mark, natural, pnl, share, dte, delta, theta, vega, worst] = element.children;
    text(what.children[0], row.group ? `${row.underlying}  ${money(row.spot)}` : `${row.units > 1 ? `${row.units} × ` : ""}${row.strategy ?? "position"}${row.campaign_id && row.campaign_id !== row.position_id ? " (rolled)" : ""}`);
    text(what.children[1], row.group ? "" : legWords(row.legs ?? []));
    text(pnl, gain(row.profit_mark, 0));
    flags(pnl, { gain: Number(row.profit_mark) > 0, loss: Number(row.profit_mark) < 0 });
    text(delta, number(row.measures.delta, 0));
    text(theta, gain(row.measures.theta, 0));
    text(vega, gain(row.measures.vega, 0));
    if (row.group) return;
    text(mark, price(row.mark));
    flags(mark, { stale: row.mark_flag && row.mark_flag !== "good" });
    mark.title = row.mark_flag && row.mark_flag !== "good" ? `mark is ${row.mark_flag}` : "";
    text(natural, price(row.natural));
    text(share, percent(row.profit_of_maximum, 0));
    text(dte, known(row.dte) ? String(row.dte) : "–");
    text(worst, worstCase(row.maximum_loss));
  }
}

const total = (rows, field) => (rows.every((each) => known(each[field])) ? rows.reduce((sum, each) => sum + Number(each[field]), 0) : null);

/** What can still be lost at expiry, cash included; a gain that is certain is said so. */
export function worstCase(loss) {
  if (loss === "unlimited" || !known(loss)) return bound(loss);
  return gain(-Number(loss), 0);
}

define("cb-positions", Positions);
