// The supervision tree as it runs: turns, time, restarts, and for admins the button that kills.

import { get } from "./api.js";
import { kill } from "./dialogs.js";
import { flags, h, keyed, table, text } from "./dom.js";
import { number } from "./format.js";
import { define, Panel } from "./panel.js";
import { store } from "./store.js";

const AGAIN = 2000;

class Actors extends Panel {
  static topics = ["actors", "feed"];

  build() {
    const { table: element, body } = table([
      ["actor", "and its group"],
      ["state", "running, failed, restarting"],
      ["turns", "so far", "number"],
      ["µs a turn", "on average", "number"],
      ["again", "times it was killed or restarted", "number"],
      ["fact", "the last it folded", "number"],
      ["", ""],
    ]);
    this.body = body;
    this.append(element);
    this.load();
    this.again = setInterval(() => this.load(), AGAIN);
  }

  async load() {
    if (this.closest(".hidden") || !store.get("feed").connected) return;
    const found = await get("/actors").catch(() => null);
    if (found) store.set("actors", flatten([found]));
  }

  refresh() {
    const admin = store.get("status")?.role !== "viewer" && store.get("status")?.role !== "trader";
    keyed(
      this.body,
      store.get("actors") ?? [],
      (actor) => actor.path,
      () => {
        const row = h("tr", {}, h("td"), h("td"), ...Array.from({ length: 4 }, () => h("td.number")), h("td"));
        row.lastChild.append(h("button.quiet", { type: "button", onclick: () => kill(row.actor.name) }, "kill"));
        return row;
      },
      (row, actor) => {
        row.actor = actor;
        const [name, state, turns, micros, restarts, last, action] = row.children;
        text(name, `${"\u2003".repeat(actor.depth)}${actor.name}`);
        text(state, actor.state);
        flags(state, { alarm: actor.state === "failed" });
        text(turns, actor.turns ?? "");
        text(micros, actor.turns ? number((actor.seconds / actor.turns) * 1e6, 0) : "");
        text(restarts, actor.restarts ?? "");
        text(last, actor.last_sequence ?? "");
        flags(row, { group: actor.group });
        flags(action.firstChild, { hidden: !actor.can_kill || !admin });
      },
    );
  }
}

/** The tree as rows with a depth. */
export function flatten(list, depth = 0, path = "") {
  return list.flatMap((each) => {
    const own = `${path}/${each.name}`;
    const children = each.children ?? [];
    const row = {
      ...each,
      path: own,
      depth,
      group: children.length > 0,
      can_kill: !children.length && each.kind !== "core",
    };
    return [row, ...flatten(children, depth + 1, own)];
  });
}

define("cb-actors", Actors);
