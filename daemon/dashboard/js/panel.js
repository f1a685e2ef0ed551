// Base of every panel: a custom element that builds itself once and refreshes when one of its topics changes.

import { store } from "./store.js";

export class Panel extends HTMLElement {
  /** Topics of the store that this panel shows. */
  static topics = [];

  connectedCallback() {
    if (!this.built) {
      this.built = true;
      this.build();
    }
    this.leave = store.on(this.constructor.topics, () => this.refresh());
    this.refresh();
  }

  disconnectedCallback() {
    this.leave?.();
  }

  build() {}

  refresh() {}
}

/** Registers a panel under its element's name. */
export function define(name, panel) {
  customElements.define(name, panel);
}
