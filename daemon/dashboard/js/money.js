// The money line: what the account is worth, what today brought, what could be lost.

import { flags, h, text } from "./dom.js";
import { gain, known, money, number, percent } from "./format.js";
import { define, Panel } from "./panel.js";
import { store } from "./store.js";

const TILES = [
  ["net", "Net liq", (a) => money(a.net_liquidation ?? a.value), (a) => `cash ${money(a.cash, 0)}`],
  ["day", "Day on marks", (a) => gain(a.day_on_marks ?? a.day_result), (a) => `on natural ${gain(a.day_on_natural, 0)}`, true],
  ["excess", "Excess", (a) => money(a.excess_liquidity, 0), (a) => percent(ratio(a.excess_liquidity, worth(a)), 0)],
  ["power", "Power used", (a) => money(a.buying_power_used, 0), (a) => percent(ratio(a.buying_power_used, worth(a)), 0)],
  ["worst", "Worst scenario", (a) => gain(a.worst_scenario, 0), (a) => a.worst_scenario_name ?? "not known"],
  ["delta", "Beta delta", (a) => number(a.beta_delta, 0), (a) => (known(a.beta_delta) ? "SPY shares" : "no beta known")],
  ["theta", "Theta", (a) => gain(a.measures?.theta, 0), () => "$ a day"],
  ["vega", "Vega", (a) => gain(a.measures?.vega, 0), () => "$ a point"],
];

const worth = (a) => a.net_liquidation ?? a.value;
const ratio = (part, whole) => (known(part) && Number(whole) ? Number(part) / Number(whole) : null);

class Money extends Panel {
  static topics = ["account"];

  build() {
    this.tiles = TILES.map(([name, label]) => {
      const tile = h("div.tile", { dataset: { name } }, h("h2", {}, label), h("div.value"), h("div.under"));
      this.append(tile);
      return tile;
    });
  }

  refresh() {
    const account = store.get("account") ?? {};
    TILES.forEach(([, , value, under, signed], i) => {
      const [, shown, below] = this.tiles[i].children;
      const words = value(account);
      text(shown, words);
      text(below, under(account));
      flags(shown, { gain: signed && words.startsWith("+"), loss: signed && words.startsWith("−") });
    });
  }
}

define("cb-money", Money);
