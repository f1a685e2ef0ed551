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

/** Everything once: after a start, and after another journal or a gap. */
async function snapshot() {
  const [status, account, positions, orders, breaker, underlyings] = await Promise.all(
    ["/status", "/account", "/positions", "/orders?limit=200&newest=true", "/breaker", "/underlyings"].map(get),
  );
  store.set("status", status);
  store.set("account", account);
  store.set("positions", list(positions, "positions"));
  store.set("orders", list(orders, "orders"));
  store.set("breaker", breaker);
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

let breakerDue = 0;
store.on(["facts"], () => {
  const last = store.get("facts").at(-1);
  for (const fact of store.get("facts").slice(-200)) {
    if (fact.sequence <= breakerDue) continue;
    if (fact.kind.startsWith("breaker.")) get("/breaker").then((found) => store.set("breaker", found)).catch(() => {});
    if (fact.kind === "performance.EquityMarked") store.set("equity", [...store.get("equity"), point(fact)].slice(-20000));
  }
  breakerDue = last?.sequence ?? breakerDue;
});

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
