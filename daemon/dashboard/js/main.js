// Boot: the token, the first snapshot, the feed, the keys. Panels look after themselves.

import { get, Problem, takeToken } from "./api.js";
import { chainChanged, chainsAgain } from "./chains.js";
import { anyOpen, askToken, cancelAll, complain, halt, keys, reset } from "./dialogs.js";
import { point } from "./equity.js";
import { feed } from "./feed.js";
import { ENDED } from "./orders.js";
import { store } from "./store.js";
import { show, tabKey } from "./side.js";
import "./actors.js";
import "./chain.js";
import "./explain.js";
import "./facts.js";
import "./money.js";
import "./needs.js";
import "./positions.js";
import "./ticket.js";
import "./truth.js";

const EQUITY_KEPT = 20000;
const FACTS_AT_START = 200;

/** What the feed does not tell: orders that ended, and the last facts. State comes with the subscription. */
async function snapshot() {
  const { sequence } = store.get("feed");
  const [orders, facts] = await Promise.all(["/orders?limit=1000", `/facts?newest=true&limit=${FACTS_AT_START}`].map(get));
  store.rows("orders", "order_id", orders.orders);
  // Later ones come by the feed, which resumed behind what is here.
  const first = store.get("facts")[0]?.sequence ?? Infinity;
  store.set("facts", [...facts.facts.filter((fact) => fact.sequence < Math.min(first, sequence + 1)), ...store.get("facts")]);
}

/** The feed shows orders that are not ended; of one that ended the last word is fetched once. */
function ordersChanged(frame) {
  store.rows("orders", frame.key, frame.rows);
  const gone = new Set(frame.removed ?? []);
  if (frame.full) {
    const alive = new Set(frame.rows.map((order) => order.order_id));
    for (const order of store.get("orders")) if (!ENDED.has(order.state) && !alive.has(order.order_id)) gone.add(order.order_id);
  }
  gone.forEach(lastWord);
}

/** An order as it ended, once; it may have come and gone between two frames of state. */
function lastWord(id) {
  if (asked.has(id)) return;
  asked.add(id);
  setTimeout(() => {
    asked.delete(id);
    get(`/orders/${encodeURIComponent(id)}`)
      .then(({ history, ...order }) => {
        if (ENDED.has(order.state)) store.rows("orders", "order_id", [{ ...order, distance: null }]);
      })
      .catch(() => store.rows("orders", "order_id", [], [id]));
  }, 300);
}

const asked = new Set();
const ENDING = new Set(["orders.LegFilled", "orders.OrderCanceled", "orders.OrderDenied", "orders.OrderRejected", "orders.OrderExpired", "orders.UnknownSettled"]);

feed.onGreeted = (another) => {
  if (another) store.set("orders", []);
  snapshot().catch((problem) => (problem instanceof Problem && problem.status === 401 ? refused("the token was not accepted") : complain(problem)));
  chainsAgain();
};
feed.onRefused = refused;
feed.onState = (frame) => {
  const [topic, which] = frame.topic.split(":");
  if (topic === "chain") chainChanged(which, frame);
  else if (topic === "orders") ordersChanged(frame);
  else if (frame.key) {
    if (frame.full) store.set(topic, frame.rows);
    else store.rows(topic, frame.key, frame.rows, frame.removed);
  } else store.set(topic, frame.value);
};

feed.onFact = (fact) => {
  if (ENDING.has(fact.kind)) lastWord(fact.fact.order_id);
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
