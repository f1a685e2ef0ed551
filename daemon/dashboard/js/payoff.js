// The payoff at expiry, drawn from its exact vertices: profit by the price of the underlying.

import { h, svg } from "./dom.js";
import { gain, number } from "./format.js";

const WIDTH = 400;
const HEIGHT = 150;
const PAD = { left: 8, right: 8, top: 14, bottom: 18 };

/**
 * `vertices`: [[price, profit in dollars], ...] ascending; `left`, `right`: dollars per $1 beyond the ends. `spot` and
 * `breakEvens` are marked.
 */
export function payoffDrawing({ vertices, left = 0, right = 0, spot = null, breakEvens = [] }) {
  const found = vertices.map(([x, y]) => [Number(x), Number(y)]).filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  if (!found.length) return h("div.empty", {}, "no payoff: legs expire apart");
  const strikes = found.map(([x]) => x).filter((x) => x > 0);
  const marks = [...strikes, ...breakEvens.map(Number), ...(spot ? [Number(spot)] : [])];
  const low = Math.min(...marks);
  const high = Math.max(...marks);
  const margin = Math.max((high - low) * 0.25, high * 0.02);
  const from = Math.max(0, low - margin);
  const to = high + margin;
  const line = clip(found, Number(left), Number(right), from, to);
  const all = line.map(([, y]) => y).concat(0);
  const bottom = Math.min(...all);
  const top = Math.max(...all);
  const room = Math.max((top - bottom) * 0.08, 1);
  const sx = (x) => PAD.left + ((x - from) / (to - from)) * (WIDTH - PAD.left - PAD.right);
  const sy = (y) => PAD.top + ((top + room - y) / (top - bottom + 2 * room)) * (HEIGHT - PAD.top - PAD.bottom);
  const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${sx(x).toFixed(1)} ${sy(y).toFixed(1)}`).join("");
  const zero = sy(0);
  const area = (sign) => {
    const kept = points(line, sign);
    return kept.length ? `${path([[kept[0][0], 0], ...kept, [kept.at(-1)[0], 0]])}Z` : "";
  };
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "payoff", role: "img", "aria-label": "payoff at expiry" },
    svg("path", { d: area(1), class: "profit" }),
    svg("path", { d: area(-1), class: "loss" }),
    svg("line", { x1: PAD.left, x2: WIDTH - PAD.right, y1: zero, y2: zero, class: "axis" }),
    spot ? svg("line", { x1: sx(spot), x2: sx(spot), y1: PAD.top, y2: HEIGHT - PAD.bottom, class: "spot" }) : null,
    svg("path", { d: path(line), class: "line" }),
    [...new Set(strikes)].map((x) => label(sx(x), HEIGHT - 5, number(x, x % 1 ? 1 : 0), "strike")),
    breakEvens.map((x) => svg("circle", { cx: sx(Number(x)), cy: zero, r: 2.5, class: "even" })),
    spot ? label(sx(spot), 10, number(spot, 2), "spot-label") : null,
    label(WIDTH - PAD.right, sy(top) - 3, gain(top, 0), "end"),
    bottom < 0 ? label(WIDTH - PAD.right, Math.min(HEIGHT - PAD.bottom - 2, sy(bottom) + 10), gain(bottom, 0), "end") : null,
  );
}

/**
 * Vertices of what is held, from zero up, and the slope beyond the last; null where legs expire apart. `legs` have
 * symbol, signed quantity, multiplier, strike, right, expiry; `cash` is what came in less what went out.
 */
export function heldPayoff(legs, cash) {
  const options = legs.filter((leg) => leg.kind === "option");
  if (new Set(options.map((leg) => leg.expiry)).size > 1) return null;
  const shares = legs.filter((leg) => leg.kind !== "option").reduce((sum, leg) => sum + leg.quantity, 0);
  const calls = options.filter((leg) => leg.right === "C");
  const strikes = [...new Set([0, ...options.map((leg) => Number(leg.strike))])].sort((a, b) => a - b);
  const worth = (spot) =>
    options.reduce((sum, leg) => {
      const inside = leg.right === "C" ? spot - Number(leg.strike) : Number(leg.strike) - spot;
      return sum + leg.quantity * leg.multiplier * Math.max(0, inside);
    }, Number(cash) + shares * spot);
  const slope = shares + calls.reduce((sum, leg) => sum + leg.quantity * leg.multiplier, 0);
  return { vertices: strikes.map((spot) => [spot, worth(spot)]), right: slope };
}

function label(x, y, words, kind) {
  const element = svg("text", { x: x.toFixed(1), y: y.toFixed(1), class: kind });
  element.textContent = words;
  return element;
}

/** The piecewise line between two prices, with the slopes beyond its ends. */
function clip(vertices, left, right, from, to) {
  const value = (x) => {
    const [first, last] = [vertices[0], vertices.at(-1)];
    if (x <= first[0]) return first[1] - left * (first[0] - x);
    if (x >= last[0]) return last[1] + right * (x - last[0]);
    const after = vertices.findIndex(([each]) => each >= x);
    const [[x0, y0], [x1, y1]] = [vertices[after - 1], vertices[after]];
    return x1 === x0 ? y1 : y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
  };
  return [[from, value(from)], ...vertices.filter(([x]) => x > from && x < to), [to, value(to)]];
}

/** The part of a line on one side of zero, crossing points included. */
function points(line, sign) {
  const kept = [];
  line.forEach(([x, y], i) => {
    if (i) {
      const [px, py] = line[i - 1];
      if (py * y < 0) kept.push([px + ((x - px) * -py) / (y - py), 0]);
    }
    kept.push([x, sign > 0 ? Math.max(y, 0) : Math.min(y, 0)]);
  });
  return kept.some(([, y]) => y !== 0) ? kept : [];
}
