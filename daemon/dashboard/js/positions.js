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
      ["mark", "per unit, and what closing now would cost; minus is paid to close", "number"],
      ["P&L", "on marks, in dollars; and of the most it can make", "number"],
      ["DTE", "days to the last trade; expected moves to the short strike", "number"],
      ["Δ", "shares; and of the short strike", "number wide-only"],
      ["Θ / V", "dollars a day; dollars a volatility point", "number wide-only"],
      ["worst", "at expiry, in dollars; what rests at the broker", "number"],
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
    const kinds = [null, "number", "number", "number", "number wide-only", "number wide-only", "number", null];
    const element = h("tr", {}, kinds.map((kind) => h("td", { class: kind }, h("div"), h("div.under"))));
    if (row.group) element.classList.add("group");
    else {
      element.lastChild.replaceChildren(
        h("button.quiet", { type: "button", title: "each rule and how far it is", onclick: () => show("explain").look(element.row) }, "why"),
        h("button.quiet", { type: "button", onclick: () => show("ticket").close(element.row) }, "close"),
      );
    }
    return element;
  }

  update(element, row) {
    element.row = row;
    const cells = [...element.children];
    const write = (at, over, under = "") => {
      text(cells[at].firstChild, over);
      text(cells[at].lastChild, under);
    };
    const rolled = row.campaign_id && row.campaign_id !== row.position_id ? " (rolled)" : "";
    if (row.group) write(0, `${row.underlying}  ${money(row.spot)}`);
    else write(0, `${row.units > 1 ? `${row.units} × ` : ""}${row.strategy ?? "position"}${rolled}`, legWords(row.legs));
    write(2, gain(row.profit_mark, 0), row.group ? "" : percent(row.profit_of_maximum, 0));
    flags(cells[2].firstChild, { gain: Number(row.profit_mark) > 0, loss: Number(row.profit_mark) < 0 });
    const { delta, theta, vega } = row.measures;
    write(4, number(delta, 0), known(row.short_delta) ? `short ${number(row.short_delta, 2)}` : "");
    write(5, gain(theta, 0), gain(vega, 0));
    if (row.group) return;
    const doubtful = row.mark_flag !== "good";
    write(1, price(row.mark), price(row.natural));
    flags(cells[1].firstChild, { stale: doubtful });
    cells[1].title = doubtful ? `mark is ${row.mark_flag}` : "";
    write(3, known(row.dte) ? `${row.dte} d` : "–", known(row.short_distance) ? `${number(row.short_distance, 1)} moves` : "");
    flags(cells[3].lastChild, { stale: known(row.short_distance) && row.short_distance < 0.5 });
    const rests = row.resting.filter((each) => each.at_market).length;
    write(6, worstCase(row.maximum_loss), rests ? `${rests} resting` : "nothing rests");
    cells[6].title = row.if_we_die;
  }
}

const total = (rows, field) => (rows.every((each) => known(each[field])) ? rows.reduce((sum, each) => sum + Number(each[field]), 0) : null);

/** What can still be lost at expiry, cash included; a gain that is certain is said so. */
export function worstCase(loss) {
  if (loss === "unlimited" || !known(loss)) return bound(loss);
  return gain(-Number(loss), 0);
}

define("cb-positions", Positions);
