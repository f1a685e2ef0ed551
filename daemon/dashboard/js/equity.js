// Equity on marks over time, drawn from the facts that performance records each minute.

import { get } from "./api.js";
import { h, svg, text } from "./dom.js";
import { clock, day, gain, money } from "./format.js";
import { define, Panel } from "./panel.js";
import { store } from "./store.js";

const WIDTH = 430;
const HEIGHT = 220;
const PAD = { left: 56, right: 8, top: 10, bottom: 20 };
const MOST = 600;

class Equity extends Panel {
  static topics = ["equity"];

  build() {
    this.head = h("div.row");
    this.drawing = h("div");
    this.append(h("div.form", {}, this.head, this.drawing));
    this.load();
  }

  /** The history once; new points come with the facts. */
  async load() {
    const found = await get("/facts?kind=performance.EquityMarked&limit=1000&newest=true").catch(() => null);
    if (found) store.set("equity", merge((found.facts ?? []).map(point), store.get("equity")));
  }

  refresh() {
    const points = store.get("equity");
    if (points.length < 2) {
      this.drawing.replaceChildren(h("div.empty", {}, "equity is marked each minute of a session; nothing to draw yet"));
      return;
    }
    const last = points.at(-1);
    this.head.replaceChildren(
      h("strong", {}, money(last.value)),
      h(`span.${last.day >= 0 ? "gain" : "loss"}`, {}, `${gain(last.day)} today`),
      h("span.quiet", {}, `${day(last.at)} ${clock(last.at)}`),
    );
    this.drawing.replaceChildren(draw(thin(points)));
  }
}

export const point = (fact) => ({ at: fact.at, value: Number(fact.fact.value), day: Number(fact.fact.day_result) });

function merge(a, b) {
  const known = new Map([...a, ...b].map((each) => [each.at, each]));
  return [...known.values()].sort((x, y) => (x.at < y.at ? -1 : 1));
}

/** At most so many points, the extremes of each stretch kept. */
function thin(points) {
  if (points.length <= MOST) return points;
  const size = Math.ceil(points.length / (MOST / 2));
  const kept = [];
  for (let i = 0; i < points.length; i += size) {
    const part = points.slice(i, i + size);
    const low = part.reduce((x, y) => (y.value < x.value ? y : x));
    const high = part.reduce((x, y) => (y.value > x.value ? y : x));
    kept.push(...(low === high ? [low] : low.at < high.at ? [low, high] : [high, low]));
  }
  return kept;
}

/** Nights and week-ends take no room: points stand side by side in order. */
function draw(points) {
  const values = points.map((each) => each.value);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const room = Math.max((high - low) * 0.08, 1);
  const sx = (i) => PAD.left + (i / (points.length - 1)) * (WIDTH - PAD.left - PAD.right);
  const sy = (y) => PAD.top + ((high + room - y) / (high - low + 2 * room)) * (HEIGHT - PAD.top - PAD.bottom);
  const path = points.map((each, i) => `${i ? "L" : "M"}${sx(i).toFixed(1)} ${sy(each.value).toFixed(1)}`).join("");
  const words = (x, y, value, kind) => {
    const element = svg("text", { x, y, class: kind });
    text(element, value);
    return element;
  };
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "payoff", role: "img", "aria-label": "equity" },
    [high, (high + low) / 2, low].map((y) => [
      svg("line", { x1: PAD.left, x2: WIDTH - PAD.right, y1: sy(y), y2: sy(y), class: "axis", "stroke-opacity": 0.35 }),
      words(PAD.left - 4, sy(y) + 3, money(y, 0), "end"),
    ]).flat(),
    svg("path", { d: path, class: "line" }),
    words(PAD.left, HEIGHT - 6, `${day(points[0].at)} ${clock(points[0].at).slice(0, 5)}`, "start"),
    words(WIDTH - PAD.right, HEIGHT - 6, `${day(points.at(-1).at)} ${clock(points.at(-1).at).slice(0, 5)}`, "end"),
  );
}

define("cb-equity", Equity);
