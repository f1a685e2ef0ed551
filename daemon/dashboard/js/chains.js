// Option chains by underlying, fetched when wanted and kept fresh by the feed while they are; shaped for tables.

import { get } from "./api.js";
import { feed } from "./feed.js";
import { contract } from "./format.js";
import { store } from "./store.js";

const loading = new Set();

/** The chain of an underlying as {spot, expiries: [{key, expiry, dte, am, forward, rows, bySymbol}]}; undefined yet. */
export const chainOf = (underlying) => store.get("chains")[underlying];

/** Fetches a chain once and asks the feed for its changes. */
export async function wantChain(underlying) {
  if (loading.has(underlying)) return;
  loading.add(underlying);
  if (await load(underlying)) feed.want([`chain:${underlying}`]);
  else setTimeout(() => loading.delete(underlying), 2000);
}

/** The whole chain anew, with its smiles fitted to the quotes of now; whether it came. */
export async function load(underlying) {
  const found = await get(`/chain/${encodeURIComponent(underlying)}?fit=true`).catch(() => null);
  if (found) put(underlying, found);
  return found !== null;
}

/** After another connection: whatever was wanted is fetched again. */
export function chainsAgain() {
  const wanted = [...loading];
  loading.clear();
  wanted.forEach(wantChain);
}

function put(underlying, found) {
  const bySymbol = new Map();
  const expiries = found.expiries.map((each) => {
    const rows = new Map();
    for (const quoted of found.contracts) {
      if (quoted.expiry !== each.expiry) continue;
      const { root, strike, right } = contract(quoted.symbol);
      if (!each.roots.includes(root)) continue;
      if (!rows.has(strike)) rows.set(strike, { strike, call: null, put: null });
      rows.get(strike)[right === "C" ? "call" : "put"] = quoted;
      bySymbol.set(quoted.symbol, quoted);
    }
    const root = each.roots.join(" ");
    return {
      ...each,
      am: each.fixing === "AM",
      key: `${root} ${each.expiry}`,
      rows: [...rows.values()].sort((a, b) => a.strike - b.strike),
    };
  });
  store.merge("chains", { [underlying]: { ...found, expiries, bySymbol } });
}

/** Changed contracts of a chain, from the feed. */
export function chainChanged(underlying, frame) {
  const chain = chainOf(underlying);
  if (!chain) return;
  let unknown = Boolean(frame.removed?.length);
  for (const changed of frame.rows ?? []) {
    const quoted = chain.bySymbol.get(changed.symbol);
    if (quoted) Object.assign(quoted, changed);
    else unknown = true;
  }
  store.merge("chains", { [underlying]: { ...chain, spot: frame.value?.spot ?? chain.spot } });
  // Contracts were listed or left: expiries and rows are another now.
  if (unknown) load(underlying);
}
