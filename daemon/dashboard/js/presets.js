// Common strategies filled in from the chain by delta and steps of the strike ladder; the operator changes what differs.

export const PRESETS = [
  ["iron_condor", "iron condor"],
  ["put_credit", "put credit spread"],
  ["call_credit", "call credit spread"],
  ["call_debit", "call debit spread"],
  ["put_debit", "put debit spread"],
  ["butterfly", "call butterfly"],
  ["iron_butterfly", "iron butterfly"],
  ["straddle", "long straddle"],
  ["strangle", "long strangle"],
];

const SHORT_DELTA = 0.16;
const WING = 2;

/** Legs of a preset on one expiry page of a chain, or {error}; null where there is nothing to fill in. */
export function preset(name, chain, key) {
  const page = chain?.expiries.find((each) => each.key === key);
  if (!name || !page) return null;
  const rows = page.rows;
  const money = nearest(rows, (row) => Math.abs(row.strike - (page.forward ?? chain.spot)));
  const byDelta = (side, delta) => nearest(rows, (row) => (row[side]?.delta == null ? Infinity : Math.abs(Math.abs(row[side].delta) - delta)));
  const leg = (index, side, ratio) => {
    const found = rows[index]?.[side];
    return found ? { symbol: found.symbol, ratio } : null;
  };
  const short = { put: byDelta("put", SHORT_DELTA), call: byDelta("call", SHORT_DELTA) };
  const made = {
    iron_condor: () => [leg(short.put - WING, "put", 1), leg(short.put, "put", -1), leg(short.call, "call", -1), leg(short.call + WING, "call", 1)],
    put_credit: () => [leg(short.put - WING, "put", 1), leg(short.put, "put", -1)],
    call_credit: () => [leg(short.call, "call", -1), leg(short.call + WING, "call", 1)],
    call_debit: () => [leg(money, "call", 1), leg(money + WING, "call", -1)],
    put_debit: () => [leg(money - WING, "put", -1), leg(money, "put", 1)],
    butterfly: () => equidistant(rows, money, WING).map((index, i) => leg(index, "call", i === 1 ? -2 : 1)),
    iron_butterfly: () => {
      const [low, body, high] = equidistant(rows, money, WING);
      return [leg(low, "put", 1), leg(body, "put", -1), leg(body, "call", -1), leg(high, "call", 1)];
    },
    straddle: () => [leg(money, "call", 1), leg(money, "put", 1)],
    strangle: () => [leg(byDelta("put", 0.3), "put", 1), leg(byDelta("call", 0.3), "call", 1)],
  }[name]();
  if (made.some((each) => !each) || new Set(made.map((each) => each.symbol)).size !== made.length) {
    return { error: "the chain has no strikes for this here; choose another expiry, or legs by hand" };
  }
  return { legs: made };
}

function nearest(rows, distance) {
  let best = -1;
  let least = Infinity;
  rows.forEach((row, index) => {
    const found = distance(row);
    if (found < least) [best, least] = [index, found];
  });
  return best;
}

/** Three listed strikes at equal distance around the body, the distance at least so many steps. */
function equidistant(rows, body, steps) {
  for (let high = body + steps; high < rows.length; high++) {
    const wanted = 2 * rows[body].strike - rows[high].strike;
    const low = rows.findIndex((row) => Math.abs(row.strike - wanted) < 1e-9);
    if (low >= 0) return [low, body, high];
  }
  return [-1, body, rows.length];
}
