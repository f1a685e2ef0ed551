// Elements and keyed lists. Everything else that touches the document goes through here.

/** An element: `h("button.primary", {type: "button", onclick}, "text", child)`. Null children are left out. */
export function h(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  assign(element, attributes);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter(Boolean));
  return element;
}

function assign(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
}

/** Sets text only where it differs, so that selections and screen readers are left alone. */
export function text(element, value) {
  const wanted = value === null || value === undefined ? "" : String(value);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Adds or removes classes by truth: `flags(element, {stale: true})`. */
export function flags(element, wanted) {
  for (const [name, on] of Object.entries(wanted)) element.classList.toggle(name, Boolean(on));
}

/**
 * Makes `parent` show `rows` in order. `make(row)` builds an element once a key, `update(element, row)` refreshes it.
 * Elements of rows that stay are kept: focus, selection and scrolling survive.
 */
export function keyed(parent, rows, key, make, update) {
  const known = parent.keyedElements ?? (parent.keyedElements = new Map());
  const seen = new Set();
  let place = parent.firstElementChild;
  for (const row of rows) {
    const id = key(row);
    seen.add(id);
    let element = known.get(id);
    if (!element) known.set(id, (element = make(row)));
    update(element, row);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const [id, element] of known) {
    if (!seen.has(id)) {
      element.remove();
      known.delete(id);
    }
  }
}

/** A table with a head of [label, title, class] columns; gives back the table and its body. */
export function table(columns, className = "") {
  const head = columns.map(([label, title, kind = ""]) => h("th", { class: kind || null, title, scope: "col" }, label));
  const body = h("tbody");
  return { table: h("table", { class: className || null }, h("thead", {}, h("tr", {}, head)), body), body };
}
