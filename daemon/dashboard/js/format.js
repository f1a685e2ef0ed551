// How values are written. A value that is not known is a dash, never a zero.

const DASH = "–";
const MINUS = "−";

export const known = (value) => value !== null && value !== undefined && value !== "" && !Number.isNaN(Number(value));

function grouped(number, digits) {
  const fixed = Math.abs(number).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const zero = !/[1-9]/.test(fixed);
  return { fixed, sign: zero ? "" : number < 0 ? MINUS : "+" };
}

/** Dollars: 1,234.50; negative with a true minus. */
export function money(value, digits = 2) {
  if (!known(value)) return DASH;
  const { fixed, sign } = grouped(Number(value), digits);
  return (sign === MINUS ? MINUS : "") + fixed;
}

/** Dollars with their sign, for what is gained or lost. */
export function gain(value, digits = 2) {
  if (!known(value)) return DASH;
  const { fixed, sign } = grouped(Number(value), digits);
  return sign + fixed;
}

/** A plain number with so many digits. */
export const number = (value, digits = 2) => money(value, digits);

export function percent(value, digits = 1) {
  return known(value) ? `${money(Number(value) * 100, digits)} %` : DASH;
}

/** What may be unlimited is said in words. */
export function bound(value) {
  if (value === "unlimited" || value === "-unlimited") return "unlimited";
  return money(value);
}

export function price(value) {
  return money(value, 2);
}

/** Signed whole quantity: +2, −1. */
export function quantity(value) {
  return known(value) ? gain(value, 0) || "0" : DASH;
}

const parts = new Intl.DateTimeFormat("en-CA", {
  timeZone: "America/New_York", hour12: false, year: "numeric", month: "2-digit", day: "2-digit",
  hour: "2-digit", minute: "2-digit", second: "2-digit",
});

function newYork(iso) {
  const found = Object.fromEntries(parts.formatToParts(new Date(iso)).map(({ type, value }) => [type, value]));
  if (found.hour === "24") found.hour = "00";
  return found;
}

/** 10:31:05 in New York. */
export function clock(iso) {
  if (!iso) return DASH;
  const { hour, minute, second } = newYork(iso);
  return `${hour}:${minute}:${second}`;
}

/** Thu 24 Dec 2015, in New York. */
export function day(iso) {
  if (!iso) return DASH;
  const date = new Date(iso.length === 10 ? `${iso}T12:00:00Z` : iso);
  return date.toLocaleDateString("en-GB", {
    timeZone: "America/New_York", weekday: "short", day: "numeric", month: "short", year: "numeric",
  });
}

/** A short expiry: 15 Jan 16. */
export function expiry(iso) {
  if (!iso) return DASH;
  const date = new Date(`${iso.slice(0, 10)}T12:00:00Z`);
  return date.toLocaleDateString("en-GB", { timeZone: "UTC", day: "2-digit", month: "short", year: "2-digit" });
}

/** Seconds in the largest sensible unit: 4 s, 3 m, 2 h, 5 d. */
export function age(seconds) {
  if (!known(seconds)) return DASH;
  const value = Math.max(0, Number(seconds));
  if (value < 90) return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} s`;
  if (value < 5400) return `${Math.round(value / 60)} m`;
  if (value < 172800) return `${Math.round(value / 3600)} h`;
  return `${Math.round(value / 86400)} d`;
}

/** 'GOOG  160115C00750000' as {root, expiry, right, strike}; null for a stock. */
export function contract(symbol) {
  const match = /^(.{6})(\d{2})(\d{2})(\d{2})([CP])(\d{8})$/.exec(symbol);
  if (!match) return null;
  return {
    root: match[1].trim(), expiry: `20${match[2]}-${match[3]}-${match[4]}`, right: match[5], strike: Number(match[6]) / 1000,
  };
}

/** A symbol as people say it: GOOG 15 Jan 16 750 C. */
export function symbol(name) {
  const found = contract(name);
  return found ? `${found.root} ${expiry(found.expiry)} ${found.strike} ${found.right}` : name;
}

const order = (each) => (each ? `${each.expiry} ${String(each.strike * 1000).padStart(9, "0")} ${each.right}` : "");

/** Legs in one line: −735P +745P …, by expiry and strike; the expiry named once where all share it. */
export function legs(list) {
  const found = list
    .map((leg) => ({ ...leg, contract: contract(leg.symbol), count: leg.quantity ?? leg.ratio }))
    .sort((a, b) => order(a.contract).localeCompare(order(b.contract)));
  const expiries = new Set(found.map((leg) => leg.contract?.expiry ?? ""));
  const words = found.map(({ symbol: name, contract: each, count }) => {
    const size = Math.abs(count) === 1 ? (count < 0 ? MINUS : "+") : `${count < 0 ? MINUS : "+"}${Math.abs(count)}×`;
    if (!each) return `${size}${name}`;
    return `${size}${each.strike}${each.right}${expiries.size > 1 ? ` ${expiry(each.expiry)}` : ""}`;
  });
  const only = expiries.size === 1 ? [...expiries][0] : "";
  return (only ? `${expiry(only)}  ` : "") + words.join(" ");
}
