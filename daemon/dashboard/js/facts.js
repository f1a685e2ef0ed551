// The journal's tail: what happened, newest first, by subject and word.

import { h, keyed, text } from "./dom.js";
import { clock } from "./format.js";
import { define, Panel } from "./panel.js";
import { store } from "./store.js";

const SHOWN = 200;
const ALARMS = new Set(["orders.OrderUnknown", "breaker.BreakerRaised", "runtime.ActorFailed", "lean.Anomaly"]);

class Facts extends Panel {
  static topics = ["facts"];

  build() {
    this.filter = h("input", { type: "search", placeholder: "kind, order or word", "aria-label": "filter facts", oninput: () => this.refresh() });
    this.subject = h(
      "select",
      { "aria-label": "subject", onchange: () => this.refresh() },
      ["all but equity", "all", "orders", "positions", "breaker", "lean", "performance", "volatility", "runtime"].map((name) => h("option", {}, name)),
    );
    this.count = h("span.quiet");
    this.list = h("div");
    this.append(h("div.form", {}, h("div.row", {}, this.subject, this.filter, this.count), this.list));
  }

  focus() {
    this.filter.focus();
  }

  refresh() {
    if (this.closest(".hidden")) return;
    const wanted = this.filter.value.trim().toLowerCase();
    const subject = this.subject.value;
    const facts = store.get("facts");
    const found = [];
    for (let i = facts.length - 1; i >= 0 && found.length < SHOWN; i--) {
      const fact = facts[i];
      if (subject === "all but equity" ? fact.kind === "performance.EquityMarked" : subject !== "all" && !fact.kind.startsWith(`${subject}.`)) continue;
      if (wanted && !(fact.words ?? (fact.words = words(fact))).toLowerCase().includes(wanted)) continue;
      found.push(fact);
    }
    text(this.count, `${found.length} of ${facts.length}`);
    keyed(this.list, found, (fact) => fact.sequence, row, () => {});
  }
}

function row(fact) {
  const [, name] = fact.kind.split(".");
  const alarm = ALARMS.has(fact.kind);
  return h(
    "div.fact",
    {},
    h("span.quiet", {}, clock(fact.at)),
    h("span.quiet.number", {}, String(fact.sequence)),
    h("span.what", {}, h(alarm ? "span.kind.alarm" : "span.kind", {}, spaced(name)), " ", h("span.quiet", {}, detail(fact))),
  );
}

const spaced = (name) => name.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
const words = (fact) => `${fact.kind} ${spaced(fact.kind)} ${fact.stream} ${JSON.stringify(fact.fact)}`;

function detail(fact) {
  const said = [];
  for (const [key, value] of Object.entries(fact.fact)) {
    if (value === null || value === "" || key === "view" || typeof value === "object") continue;
    said.push(key.endsWith("_id") ? String(value) : `${key.replaceAll("_", " ")} ${value}`);
  }
  for (const reason of fact.fact.reasons ?? []) said.push(reason.message);
  return said.join(" · ");
}

define("cb-facts", Facts);
