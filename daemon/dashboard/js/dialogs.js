// Everything that asks before it acts: halt, reset, kill, confirm, token, keys. And the one place for short words after.

import { get, post, remove, setToken } from "./api.js";
import { h, text } from "./dom.js";
import { age, money, symbol } from "./format.js";
import { define, Panel } from "./panel.js";

const LEVELS = [
  [1, "caution", "half size, no undefined risk"],
  [2, "no-entry", "no new risk; working entries stay"],
  [3, "reduce-only", "working entries are cancelled, reducing orders are kept"],
  [4, "flatten", "as reduce-only, then positions are closed"],
  [5, "hard stop", "automation sends nothing; cancels still pass"],
];

class Dialogs extends Panel {
  build() {
    this.toast = h("div.toast.hidden", { role: "status" });
    this.append(this.toast);
    instance = this;
  }

  /** Opens a dialog with a form; `act` runs on submit and may throw, and its words are then shown in place. */
  open(title, content, { submit = "OK", kind = "primary", act = null, cancel = "Cancel" }) {
    const error = h("div.error.hidden");
    const go = h(`button.${kind}`, { type: "submit" }, submit);
    const dialog = h(
      "dialog",
      { "aria-label": title },
      h(
        "form",
        { method: "dialog" },
        h("h3", {}, title),
        content,
        error,
        h("div.row", {}, h("button", { type: "button", onclick: () => dialog.close() }, cancel), act ? go : null),
      ),
    );
    dialog.querySelector("form").addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!act) return dialog.close();
      go.disabled = true;
      try {
        const stay = await act(dialog);
        if (stay !== true) dialog.close();
      } catch (problem) {
        text(error, problem.message);
        error.classList.remove("hidden");
      } finally {
        go.disabled = false;
      }
      return undefined;
    });
    dialog.addEventListener("close", () => dialog.remove());
    this.append(dialog);
    dialog.showModal();
    return dialog;
  }

  say(words, bad = false) {
    text(this.toast, words);
    this.toast.classList.remove("hidden");
    this.toast.classList.toggle("bad", bad);
    clearTimeout(this.hiding);
    this.hiding = setTimeout(() => this.toast.classList.add("hidden"), bad ? 9000 : 4000);
  }
}

let instance = null;
define("cb-dialogs", Dialogs);

/** A short word after something was done. */
export const say = (words) => instance.say(words);
/** The same after something failed. */
export const complain = (problem) => instance.say(problem.message ?? String(problem), true);
export const anyOpen = () => Boolean(document.querySelector("dialog[open]"));

export function confirm(title, words, submit, act, kind = "primary") {
  return instance.open(title, h("p", {}, words), { submit, kind, act });
}

export function halt() {
  const level = h(
    "select",
    { name: "level", "aria-label": "level" },
    LEVELS.map(([value, name, means]) => h("option", { value, selected: value === 3 }, `${value} ${name}: ${means}`)),
  );
  const reason = h("input.wide", { name: "reason", placeholder: "why (kept in the journal)", required: true });
  const word = h("input.wide", { name: "confirm", placeholder: "type halt to confirm", autocomplete: "off", required: true });
  instance.open("Halt", h("div.form", {}, level, reason, word), {
    submit: "Halt",
    kind: "halt",
    act: async () => {
      if (word.value.trim().toLowerCase() !== "halt") throw new Error("type the word halt to confirm");
      await post("/breaker/halt", { level: Number(level.value), reason: reason.value });
      say("halted");
    },
  });
  reason.focus();
}

/** Two steps: a reason gives a phrase; the phrase, typed, resets. */
export function reset() {
  const reason = h("input.wide", { name: "reason", placeholder: "why trading may go on", required: true });
  instance.open("Reset the breaker, step 1 of 2", h("div.form", {}, reason), {
    submit: "Next",
    act: async () => {
      const answer = await post("/breaker/reset", { reason: reason.value });
      const typed = h("input.wide", { name: "phrase", autocomplete: "off", required: true, "aria-label": "phrase" });
      instance.open(
        "Reset the breaker, step 2 of 2",
        h("div.form", {}, h("p", {}, "Type this phrase to reset:"), h("div.phrase", {}, answer.phrase), typed),
        {
          submit: "Reset",
          act: async () => {
            await post("/breaker/reset", { phrase: typed.value.trim() });
            say("the breaker is at normal");
          },
        },
      );
      typed.focus();
    },
  });
  reason.focus();
}

export function kill(name) {
  confirm(
    `Kill ${name}`,
    "Its memory is dropped and folded anew from the journal. Orders and positions stay as they are.",
    "Kill",
    async () => {
      await post(`/actors/${encodeURIComponent(name)}/kill`);
      say(`${name} was killed and folded anew`);
    },
  );
}

export function cancelAll() {
  confirm("Cancel every order", "All working and waiting orders are cancelled, also those on their way.", "Cancel all", async () => {
    await remove("/orders");
    say("cancelling all");
  });
}

export function askToken(why) {
  const field = h("input.wide", { type: "password", name: "token", autocomplete: "off", required: true, "aria-label": "token" });
  instance.open(
    "A token is needed",
    h("div.form", {}, h("p", {}, `${why}. The address that the daemon printed carries one; or paste one here.`), field),
    {
      submit: "Connect",
      cancel: "Not now",
      act: () => {
        setToken(field.value);
        location.reload();
      },
    },
  );
  field.focus();
}

export function keys() {
  const rows = [
    ["h", "halt"], ["r", "reset the breaker, in two steps"], ["t", "order ticket"], ["c", "chain"], ["e", "equity"],
    ["a", "actors"], ["f", "facts"], ["x", "cancel every order"], ["/", "filter facts"], ["?", "this list"], ["Esc", "close"],
  ];
  instance.open(
    "Keys",
    h("table", {}, h("tbody", {}, rows.map(([key, does]) => h("tr", {}, h("td", {}, h("kbd", {}, key)), h("td", {}, does))))),
    { cancel: "Close" },
  );
}

/** The three columns of the books side by side, as last compared. */
export async function compare() {
  const found = await get("/reconciliation").catch((problem) => (complain(problem), null));
  if (!found) return;
  const columns = [["us", found.ours], ["LEAN", found.lean], ["broker", found.broker]];
  const symbols = [...new Set(columns.flatMap(([, column]) => Object.keys(column?.holdings ?? {})))].sort();
  const row = (label, value) => h("tr", {}, h("td", {}, label), columns.map(([, column]) => h("td.number", {}, column ? value(column) : "–")));
  instance.open(
    "The books, side by side",
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, h("th"), columns.map(([name]) => h("th.number", {}, name)))),
      h(
        "tbody",
        {},
        row("age", (column) => age(column.age_seconds)),
        row("cash", (column) => money(column.cash)),
        symbols.map((each) => row(symbol(each), (column) => String(column.holdings[each] ?? 0))),
      ),
    ),
    { cancel: "Close" },
  );
}

