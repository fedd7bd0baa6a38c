/** Calls of the board's API. Nothing else in the page talks to a server. */
import { W } from "./words.js";

export class ApiError extends Error {
  /** @param {number} status 0 where no server answered @param {string} code */
  constructor(status, code) {
    super(W.errors[code] ?? code);
    this.status = status;
    this.code = code;
  }
}

/** @type {() => void} */
let onLoggedOut = () => {};
/** Call back when the server says that nobody is logged in. */
export const whenLoggedOut = (callback) => (onLoggedOut = callback);

/** @param {string} method @param {string} path @param {?object} body @param {object} headers */
async function call(method, path, body = null, headers = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: body ? { "Content-Type": "application/json", "X-Vigil": "1", ...headers } : { "X-Vigil": "1" },
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(15000),
    });
  } catch {
    throw new ApiError(0, "offline");
  }
  const text = await response.text();
  let document = null;
  try {
    document = text ? JSON.parse(text) : null;
  } catch {
    document = null;
  }
  if (!response.ok) {
    const code = document?.error ?? (response.status === 503 ? "kafka_away" : String(response.status));
    if (response.status === 401 && code !== "wrong_pin" && path !== "/api/session") onLoggedOut();
    throw new ApiError(response.status, code);
  }
  return document;
}

export const get = (path, query = {}) => {
  const search = new URLSearchParams(Object.entries(query).filter(([, v]) => v !== "" && v != null));
  return call("GET", `${path}${search.size ? `?${search}` : ""}`);
};
export const logIn = (form) => call("POST", "/api/session", form);
export const logOut = () => call("DELETE", "/api/session");
/** @param {object} action its `action_id` makes a repetition harmless */
export const postAction = (action) =>
  call("POST", "/api/alerts/actions", action, { "Idempotency-Key": action.action_id });
