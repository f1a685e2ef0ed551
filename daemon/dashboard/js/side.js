// The right side: one tab at a time, built when it is first opened.

import { h } from "./dom.js";
import { define, Panel } from "./panel.js";

const TABS = [
  ["ticket", "Ticket", "t"],
  ["chain", "Chain", "c"],
  ["explain", "Why", "w"],
  ["equity", "Equity", "e"],
  ["actors", "Actors", "a"],
  ["facts", "Facts", "f"],
];

class Side extends Panel {
  build() {
    this.buttons = new Map();
    this.pages = new Map();
    const bar = h("div.tabs", { role: "tablist" });
    for (const [name, label, key] of TABS) {
      const button = h(
        "button",
        { type: "button", role: "tab", id: `tab-${name}`, "aria-selected": "false", title: `key ${key}`, onclick: () => this.show(name) },
        label,
      );
      this.buttons.set(name, button);
      bar.append(button);
    }
    this.append(bar);
    this.show("ticket");
  }

  show(name) {
    if (!this.pages.has(name)) {
      const page = h("div.tab", { role: "tabpanel", "aria-labelledby": `tab-${name}` }, h(`cb-${name}`));
      this.pages.set(name, page);
      this.append(page);
    }
    for (const [each, page] of this.pages) page.classList.toggle("hidden", each !== name);
    for (const [each, button] of this.buttons) button.setAttribute("aria-selected", String(each === name));
    return this.pages.get(name).firstElementChild;
  }

  key(letter) {
    const found = TABS.find(([, , key]) => key === letter);
    if (found) this.show(found[0]);
    return Boolean(found);
  }
}

define("cb-side", Side);

/** Opens a tab and gives its panel back. */
export const show = (name) => document.querySelector("cb-side").show(name);
export const tabKey = (letter) => document.querySelector("cb-side").key(letter);
