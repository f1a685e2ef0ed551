// One line of truth: paper or live, the breaker, whether the books agree, how fresh everything is, and the halt key.

import { halt, keys, reset } from "./dialogs.js";
import { flags, h, text } from "./dom.js";
import { age, clock, day } from "./format.js";
import { define, Panel } from "./panel.js";
import { store } from "./store.js";

class Truth extends Panel {
  static topics = ["status", "feed"];

  build() {
    this.mode = h("span.mode", {}, "…");
    this.time = h("strong");
    this.level = h("span");
    this.books = h("span");
    this.fresh = h("span");
    this.wire = h("span");
    this.budget = h("span");
    this.reset = h("button", { type: "button", title: "key r", onclick: reset }, "reset");
    const item = (label, value, kind = "") => h(`span.item${kind}`, {}, h("span.quiet", {}, label), " ", value);
    this.append(
      this.mode,
      h("span.item", {}, this.time),
      item("breaker", this.level),
      item("books", this.books),
      item("quotes", this.fresh),
      item("feed", this.wire),
      item("orders today", this.budget, ".wide-only"),
      h("span.grow"),
      this.reset,
      h("button.halt", { type: "button", title: "key h", onclick: halt }, "HALT"),
      h("button.quiet", { type: "button", title: "keys", "aria-label": "keys", onclick: keys }, "?"),
    );
    setInterval(() => this.refresh(), 1000);
  }

  refresh() {
    const status = store.get("status") ?? {};
        const feed = store.get("feed");
    const live = status.truth === "LIVE";
    text(this.mode, status.truth === "NONE" ? "NO SESSION" : (status.truth ?? "…"));
    flags(this.mode, { live });
    text(this.time, status.now && status.truth !== "NONE" ? `${day(status.now)} ${clock(status.now)}` : "no market yet");
    const level = status.level ?? 0;
    text(this.level, level ? `${status.level_name}: ${status.reason}` : "normal");
    flags(this.level, { alarm: level > 0 });
    document.body.classList.toggle("halted", level >= 3);
    flags(this.reset, { hidden: !level });
    text(this.books, bookWords(status));
    flags(this.books, { off: status.agrees === false || (status.truth !== "NONE" && status.connected === false) });
    text(this.fresh, status.open?.length ? age(status.feed_age_seconds) : "closed");
    flags(this.fresh, { off: status.open?.length && status.feed_age_seconds > 60 });
    text(this.wire, feed.connected ? `#${feed.sequence}${feed.gap ? ` gap ${feed.gap}` : ""}` : `cut: ${feed.why ?? ""}`);
    flags(this.wire, { off: !feed.connected });
    text(this.budget, status.orders_today === undefined ? "–" : `${status.orders_today} of ${status.orders_limit}`);
  }
}

function bookWords(status) {
  if (status.connected === false && status.session) return "LEAN is gone";
  if (status.agrees === null || status.agrees === undefined) return "not compared yet: entries wait";
  if (!status.agrees) return "DIFFER";
  return status.broker_age_seconds === null ? "LEAN = us" : `broker = LEAN = us, ${age(status.broker_age_seconds)} ago`;
}

define("cb-truth", Truth);
