// Working orders first, then what ended lately: age, distance from mid, and the button that cancels.

import { remove } from "./api.js";
import { cancelAll, confirm, say } from "./dialogs.js";
import { flags, h, keyed, table, text } from "./dom.js";
import { age, clock, gain, known, legs as legWords, price, symbol } from "./format.js";
import { define, Panel } from "./panel.js";
import { store } from "./store.js";

export const ENDED = new Set(["filled", "canceled", "rejected", "expired", "denied"]);
const ENDED_SHOWN = 8;

class Orders extends Panel {
  static topics = ["orders", "status"];

  build() {
    const { table: element, body } = table([
      ["order", "what it trades"],
      ["state", "where it stands"],
      ["filled", "units filled of wanted", "number"],
      ["limit", "per unit; minus is received", "number"],
      ["mid", "of the combination now", "number"],
      ["off mid", "limit less mid", "number wide-only"],
      ["age", "since it was queued", "number"],
      ["", ""],
    ]);
    this.body = body;
    this.count = h("span.quiet");
    this.none = h("div.empty", {}, "no orders yet");
    this.append(
      h(
        "section.panel",
        {},
        h("header", {}, h("h2", {}, "Orders"), this.count, h("span.grow"), h("button.quiet", { type: "button", title: "key x", onclick: cancelAll }, "cancel all")),
        h("div.scroll", {}, element),
        this.none,
      ),
    );
  }

  refresh() {
    const all = [...(store.get("orders") ?? [])].sort((a, b) => b.queued_sequence - a.queued_sequence);
    const working = all.filter((order) => !ENDED.has(order.state));
    const ended = all.filter((order) => ENDED.has(order.state)).slice(0, ENDED_SHOWN);
    text(this.count, working.length ? `${working.length} working` : "none working");
    flags(this.none, { hidden: all.length > 0 });
    this.now = store.get("status")?.now;
    keyed(this.body, [...working, ...ended], (order) => order.order_id, () => this.make(), (row, order) => this.update(row, order));
  }

  make() {
    const row = h("tr", {}, ...Array.from({ length: 8 }, (_, i) => h("td", { class: i > 1 && i < 7 ? (i === 5 ? "number wide-only" : "number") : null })));
    row.children[0].append(h("div"), h("div.under"));
    row.children[1].append(h("div"), h("div.under"));
    row.children[7].append(
      h("button.quiet", { type: "button", onclick: () => this.cancel(row.order) }, "cancel"),
    );
    return row;
  }

  update(row, order) {
    row.order = order;
    const [what, state, filled, limit, mid, off, old, action] = row.children;
    const { body } = order;
    text(what.children[0], `${body.quantity} × ${symbol(body.legs[0].symbol).split(" ")[0]}${order.reducing ? " (reduces)" : ""}`);
    text(what.children[1], legWords(body.legs));
    text(state.children[0], order.state.replaceAll("_", " ") + (order.amend && order.amend !== "none" ? `, amend ${order.amend}` : ""));
    flags(state.children[0], { "state-unknown": order.state === "unknown" });
    text(state.children[1], order.reason || order.order_id);
    text(filled, `${unitsFilled(order)} / ${body.quantity}`);
    text(limit, price(body.limit_price));
    text(mid, known(order.distance) ? price(Number(body.limit_price) - Number(order.distance)) : "–");
    text(off, gain(order.distance));
    const ended = ENDED.has(order.state);
    text(old, ended ? clock(order.changed_at ?? order.queued_at) : age(seconds(order.queued_at, this.now)));
    flags(row, { quiet: ended });
    flags(action.firstChild, { hidden: ended || order.state === "pending_cancel" });
  }

  cancel(order) {
    confirm("Cancel this order?", `${order.body.quantity} × ${legWords(order.body.legs)}. What fills meanwhile counts.`, "Cancel the order", async () => {
      await remove(`/orders/${encodeURIComponent(order.order_id)}`);
      say("cancel asked for");
    });
  }
}

/** Whole units of which every leg is filled. */
function unitsFilled(order) {
  return Math.min(...order.body.legs.map((leg, i) => Math.floor(Math.abs((order.filled[i] ?? 0) / leg.ratio))));
}

const seconds = (from, to) => (from && to ? (new Date(to) - new Date(from)) / 1000 : null);

define("cb-orders", Orders);
