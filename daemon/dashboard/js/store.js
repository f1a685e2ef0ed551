// What this page knows: the last of each topic, told to whoever listens at most once a frame. No requests, no elements.

const FACTS_KEPT = 2000;

class Store {
  constructor() {
    this.values = { facts: [], feed: { connected: false, sequence: 0 }, chains: {}, equity: [] };
    this.listeners = new Map();
    this.dirty = new Set();
  }

  get(topic) {
    return this.values[topic];
  }

  set(topic, value) {
    this.values[topic] = value;
    this.touch(topic);
  }

  /** Changes some fields of a topic that is an object. */
  merge(topic, part) {
    this.set(topic, { ...this.values[topic], ...part });
  }

  /** Changed rows of a topic that is a list of rows, and the keys of those that left. */
  rows(topic, key, changed = [], removed = []) {
    const kept = new Map((this.values[topic] ?? []).map((row) => [row[key], row]));
    for (const row of changed) kept.set(row[key], row);
    for (const gone of removed) kept.delete(gone);
    this.set(topic, [...kept.values()]);
  }

  fact(frame) {
    const facts = this.values.facts;
    facts.push(frame);
    if (facts.length > FACTS_KEPT) facts.splice(0, facts.length - FACTS_KEPT);
    this.touch("facts");
  }

  /** Calls `listener` soon after any of `topics` changed; the call given back ends it. */
  on(topics, listener) {
    for (const topic of topics) {
      if (!this.listeners.has(topic)) this.listeners.set(topic, new Set());
      this.listeners.get(topic).add(listener);
    }
    return () => topics.forEach((topic) => this.listeners.get(topic).delete(listener));
  }

  touch(topic) {
    if (!this.dirty.size) setTimeout(() => this.flush(), 33);
    this.dirty.add(topic);
  }

  flush() {
    const topics = this.dirty;
    this.dirty = new Set();
    const due = new Set();
    for (const topic of topics) for (const listener of this.listeners.get(topic) ?? []) due.add(listener);
    for (const listener of due) listener();
  }
}

export const store = new Store();
