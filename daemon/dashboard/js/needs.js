// What needs a person now, each with the one button that helps. Absent when nothing does.

import { post } from "./api.js";
import { complain, reset, say } from "./dialogs.js";
import { flags, h, keyed, text } from "./dom.js";
import { legs as legWords } from "./format.js";
import { define, Panel } from "./panel.js";
import { show } from "./side.js";
import { store } from "./store.js";

class Needs extends Panel {
  static topics = ["orders", "positions", "status", "breaker", "actors"];

  build() {
    this.list = h("tbody");
    this.box = h("section.panel", {}, h("header", {}, h("h2", {}, "Needs you")), h("table", {}, this.list));
    this.append(this.box);
  }

  refresh() {
    const rows = [...unknownOrders(), ...books(), ...assigned(), ...stoppedActors(), ...halted()];
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
      title: `unknown: ${order.quantity} × ${legWords(order.legs)}`,
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
  const found = store.get("status")?.reconciliation;
  if (!found || found.agree !== false) return [];
  return [
    {
      key: "books",
      title: "the books differ",
      detail: found.words ?? "",
      button: "Compare again",
      act: () => post("/reconciliation").then(() => say("comparing")).catch(complain),
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

function stoppedActors() {
  return (store.get("actors") ?? [])
    .filter((actor) => actor.state === "failed")
    .map((actor) => ({
      key: `actor-${actor.path}`,
      alarm: true,
      title: `${actor.name} stopped`,
      detail: actor.error ?? "it failed on a fact and waits to be signed past",
      button: "Look",
      act: () => show("actors"),
    }));
}

function halted() {
  const breaker = store.get("breaker");
  if (!breaker?.level) return [];
  return [
    { key: "breaker", alarm: true, title: `breaker at ${breaker.name}`, detail: breaker.reason ?? "", button: "Reset", act: reset },
  ];
}

define("cb-needs", Needs);
