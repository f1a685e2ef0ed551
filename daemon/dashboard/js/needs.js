// What needs a person now, each with the one button that helps. Absent when nothing does.

import { compare, reset } from "./dialogs.js";
import { flags, h, keyed, text } from "./dom.js";
import { legs as legWords } from "./format.js";
import { define, Panel } from "./panel.js";
import { show } from "./side.js";
import { store } from "./store.js";

class Needs extends Panel {
  static topics = ["orders", "positions", "status", "account"];

  build() {
    this.list = h("tbody");
    this.box = h("section.panel", {}, h("header", {}, h("h2", {}, "Needs you")), h("table", {}, this.list));
    this.append(this.box);
  }

  refresh() {
    const rows = [...unknownOrders(), ...books(), ...assigned(), ...broken(), ...stoppedActors(), ...halted()];
    flags(this.box, { hidden: !rows.length });
    keyed(
      this.list,
      rows,
      (row) => row.key,
      () => h("tr", {}, h("td.wrap", {}, h("strong"), h("div.under")), h("td.number", {}, h("button", { type: "button" }))),
      (element, row) => {
        const [title, detail] = element.firstChild.children;
        const button = element.lastChild.firstChild;
        text(title, row.title);
        flags(title, { alarm: row.alarm });
        text(detail, row.detail);
        text(button, row.button);
        button.onclick = row.act;
      },
    );
  }
}

function unknownOrders() {
  return (store.get("orders") ?? [])
    .filter((order) => order.state === "unknown")
    .map((order) => ({
      key: `unknown-${order.order_id}`,
      alarm: true,
      title: `unknown: ${order.body.quantity} × ${legWords(order.body.legs)}`,
      detail: `${order.reason || "sent, and not proved either way"}; it counts as filled and as unfilled, whichever is worse`,
      button: "Look",
      act: () => {
        const facts = show("facts");
        facts.filter.value = order.order_id;
        facts.refresh();
      },
    }));
}

function books() {
  const status = store.get("status");
  if (status?.agrees !== false) return [];
  return [
    {
      key: "books",
      title: "the books differ",
      detail: store.get("account")?.differences?.join("; ") || "ours, LEAN's and the broker's; new risk stops until they agree",
      button: "Compare",
      act: compare,
    },
  ];
}

function assigned() {
  return (store.get("positions") ?? [])
    .filter((position) => position.delivered)
    .map((position) => ({
      key: `assigned-${position.position_id}`,
      title: `assigned or exercised: ${position.strategy ?? "position"}`,
      detail: `${legWords(position.legs)}: its plan is suspended`,
      button: "Close",
      act: () => show("ticket").close(position),
    }));
}

function broken() {
  return (store.get("positions") ?? []).flatMap((position) =>
    position.broken
      .filter((each) => each.phase === "waiting")
      .map((each) => ({
        key: `broken-${each.order_id}`,
        alarm: each.naked,
        title: `legs unequal: ${position.strategy ?? "position"}`,
        detail: `${legWords(position.legs)}: ${each.reason}; nothing more is done by itself`,
        button: "Close",
        act: () => show("ticket").close(position),
      })),
  );
}

function stoppedActors() {
  return (store.get("status")?.failed ?? [])
    .map((name) => ({
      key: `actor-${name}`,
      alarm: true,
      title: `${name} stopped`,
      detail: "it failed on a fact and waits to be signed past",
      button: "Look",
      act: () => show("actors"),
    }));
}

function halted() {
  const status = store.get("status");
  if (!status?.level) return [];
  return [
    { key: "breaker", alarm: true, title: `breaker at ${status.level_name}`, detail: status.reason, button: "Reset", act: reset },
  ];
}

define("cb-needs", Needs);
