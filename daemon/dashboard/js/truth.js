// One line of truth: paper or live, the breaker, whether the books agree, how fresh everything is, and the halt key.

import { halt, keys, reset } from "./dialogs.js";
import { flags, h, text } from "./dom.js";
import { age, clock, day } from "./format.js";
import { define, Panel } from "./panel.js";
import { store } from "./store.js";

class Truth extends Panel {
  static topics = ["status", "breaker", "feed"];

  build() {
    this.mode = h("span.mode", {}, "…");
    this.time = h("strong");
    this.level = h("span");
    this.books = h("span");
    this.fresh = h("span");
    this.wire = h("span");
    this.budget = h("span");
    this.reset = h("button", { type: "button", title: "key r", onclick: reset }, "reset");
    const item = (label, value, kind = "") => h(`span.item${kind}`, {}, h("span.quiet", {}, label), value);
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
    const breaker = store.get("breaker") ?? status.breaker ?? {};
    const feed = store.get("feed");
    const live = status.mode === "LIVE";
    text(this.mode, status.mode ?? "…");
    flags(this.mode, { live });
    text(this.time, status.market_time ? `${day(status.market_time)} ${clock(status.market_time)}` : "no market yet");
    const level = breaker.level ?? 0;
    text(this.level, level ? `${breaker.name ?? level}: ${breaker.reason ?? ""}` : "normal");
    flags(this.level, { alarm: level > 0 });
    document.body.classList.toggle("halted", level >= 3);
    flags(this.reset, { hidden: !level });
    const books = status.reconciliation ?? {};
    text(this.books, books.words ?? "–");
    flags(this.books, { off: books.agree === false });
    text(this.fresh, age(status.quotes_age_seconds));
    flags(this.fresh, { off: status.quotes_age_seconds > 60 });
    text(this.wire, feed.connected ? `#${feed.sequence}${feed.gap ? ` gap ${feed.gap}` : ""}` : `cut: ${feed.why ?? ""}`);
    flags(this.wire, { off: !feed.connected });
    const used = status.orders ?? {};
    text(this.budget, used.today === undefined ? "–" : `${used.today} of ${used.limit}`);
  }
}

define("cb-truth", Truth);
