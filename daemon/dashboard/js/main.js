// Boot: the token, the first snapshot, the feed, the keys. Panels look after themselves.

import { get, Problem, takeToken } from "./api.js";
import { chainChanged, chainsAgain } from "./chains.js";
import { anyOpen, askToken, cancelAll, complain, halt, keys, reset } from "./dialogs.js";
import { point } from "./equity.js";
import { feed } from "./feed.js";
import { store } from "./store.js";
import { show, tabKey } from "./side.js";
import "./actors.js";
import "./chain.js";
import "./explain.js";
import "./facts.js";
import "./money.js";
import "./needs.js";
import "./orders.js";
import "./positions.js";
import "./ticket.js";
import "./truth.js";

const EQUITY_KEPT = 20000;

/** Everything once: after a start, and after another journal or a gap. */
async function snapshot() {
  const [status, account, positions, orders, underlyings] = await Promise.all(
    ["/status", "/account", "/positions", "/orders?limit=1000", "/underlyings"].map(get),
  );
  store.set("status", status);
  store.set("account", account);
  store.set("positions", list(positions, "positions"));
  store.set("orders", list(orders, "orders"));
  store.set("underlyings", list(underlyings, "underlyings"));
}

const list = (found, name) => (Array.isArray(found) ? found : (found[name] ?? []));

feed.onGreeted = () => {
  snapshot().catch((problem) => (problem instanceof Problem && problem.status === 401 ? refused("the token was not accepted") : complain(problem)));
  chainsAgain();
};
feed.onRefused = refused;
feed.onState = (frame) => {
  const [topic, which] = frame.topic.split(":");
  if (topic === "chain") chainChanged(which, frame);
  else if (topic === "positions") store.rows("positions", "position_id", frame.rows);
  else if (topic === "orders") store.rows("orders", "order_id", frame.rows);
  else store.merge(topic, frame.values ?? frame.row ?? frame.rows?.[0] ?? {});
};

feed.onFact = (fact) => {
  if (fact.kind === "performance.EquityMarked") store.set("equity", [...store.get("equity"), point(fact)].slice(-EQUITY_KEPT));
};

function refused(why) {
  if (!anyOpen()) askToken(why);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || anyOpen()) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const act = {
    h: halt,
    r: reset,
    x: cancelAll,
    "?": keys,
    "/": () => show("facts").focus(),
  }[event.key];
  if (act || tabKey(event.key)) {
    event.preventDefault();
    act?.();
  }
});

if (takeToken()) feed.start();
else refused("no token was given");
