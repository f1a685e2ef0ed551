// Requests to the control API with the token of this tab. A refusal is an error that carries the problem's own words.

const KEY = "callboard.token";

/** Takes the token out of the address (#token=...) and keeps it for this tab only. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return token();
}

export const token = () => sessionStorage.getItem(KEY) ?? "";
export const setToken = (value) => sessionStorage.setItem(KEY, value.trim());

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `answer ${status}`);
    this.status = status;
    this.code = body.code ?? "";
    this.body = body;
  }
}

/** One request; the answer's body. Throws Problem for a refusal, TypeError where there is no daemon. */
export async function ask(method, path, body, headers = {}) {
  const response = await fetch(`api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token()}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
  });
  const found = response.status === 204 ? {} : await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, found);
  return found;
}

export const get = (path) => ask("GET", path);
export const post = (path, body, headers) => ask("POST", path, body, headers);
export const remove = (path, body) => ask("DELETE", path, body);
