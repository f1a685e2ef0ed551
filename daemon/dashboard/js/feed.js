// The feed: facts behind a sequence, and state. It resumes where it was cut, and says so; it never polls.

import { token } from "./api.js";
import { store } from "./store.js";

const UNAUTHORIZED = 4401;
const FORBIDDEN = 4403;
const LONGEST_PAUSE = 8000;

class Feed {
  constructor() {
    this.sequence = null;
    this.epoch = null;
    this.states = new Set(["status", "account", "positions", "orders", "underlyings"]);
    this.tries = 0;
    this.socket = null;
    this.stopped = false;
  }

  /** Connects, and again after every cut, until the token is refused. */
  start() {
    this.stopped = false;
    this.connect();
  }

  stop() {
    this.stopped = true;
    this.socket?.close();
  }

  /** Adds or drops topics of state; told to the daemon at once. */
  want(add = [], drop = []) {
    drop.forEach((topic) => this.states.delete(topic));
    add.forEach((topic) => this.states.add(topic));
    this.subscribe();
  }

  connect() {
    const address = new URL("api/v1/feed", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(address));
    socket.onopen = () => {
      const first = { token: token(), subjects: [], states: [...this.states] };
      if (this.sequence !== null) first.after = this.sequence;
      socket.send(JSON.stringify(first));
    };
    socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.lost(code, reason);
  }

  hear(frame) {
    this.heard = performance.now();
    switch (frame.type) {
      case "hello":
        this.greet(frame);
        break;
      case "fact":
        if (frame.prev !== this.sequence) store.merge("feed", { gap: `${this.sequence} to ${frame.sequence}` });
        this.sequence = frame.sequence;
        store.merge("feed", { sequence: frame.sequence });
        store.fact(frame);
        this.onFact?.(frame);
        break;
      case "state":
        this.onState?.(frame);
        break;
      case "heartbeat":
        store.merge("feed", { behind: frame.behind, waiting: frame.waiting });
        this.socket.send(JSON.stringify({ type: "heartbeat", sequence: this.sequence }));
        break;
      default:
        break;
    }
  }

  greet(frame) {
    const another = this.epoch !== null && this.epoch !== frame.epoch;
    this.epoch = frame.epoch;
    this.sequence = another ? frame.sequence : frame.after ?? frame.sequence;
    this.tries = 0;
    store.merge("feed", { connected: true, why: "", sequence: this.sequence, epoch: frame.epoch });
    if (another) store.merge("feed", { gap: "another journal" });
    this.onGreeted?.(another);
  }

  subscribe() {
    if (this.socket?.readyState === WebSocket.OPEN && this.epoch !== null) {
      this.socket.send(JSON.stringify({ type: "subscribe", states: [...this.states] }));
    }
  }

  lost(code, reason) {
    if (this.stopped) return;
    store.merge("feed", { connected: false, why: reason || (code === 1006 ? "no connection" : `closed with ${code}`) });
    if (code === UNAUTHORIZED || code === FORBIDDEN) {
      this.stopped = true;
      this.onRefused?.(code === FORBIDDEN ? "this page may not connect from here" : "the token was not accepted");
      return;
    }
    const pause = Math.min(LONGEST_PAUSE, 250 * 2 ** this.tries++) * (0.7 + Math.random() * 0.6);
    setTimeout(() => this.stopped || this.connect(), pause);
  }
}

export const feed = new Feed();
