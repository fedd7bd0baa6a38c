/** The one state of the page: what the stream brought, and what the user chose. */
import * as api from "./api.js";
import { ms, now, setClock, setZone } from "./time.js";
import { byBed, confirmed, viewOf } from "./view.js";

const DISCONNECTED_MS = 15000; // three `system` messages are missing
const RECONNECT_MS = 20000; // a stream that is silent for so long is opened again
const MUTE_MS = 120000;

const wall = new URLSearchParams(location.search).get("wall");
const remembered = (name, other) => localStorage.getItem(`vigil.${name}`) ?? other;

export const state = {
  /** @type {Map<string, import("./types.js").Card>} */
  cards: new Map(),
  /** @type {?import("./types.js").System} */
  system: null,
  /** @type {string[]} */
  wards: [],
  /** @type {?import("./types.js").Session|undefined} undefined: not known yet; null: nobody */
  session: undefined,
  loaded: false,
  /** Local time of the last `system`. */
  heard: Date.now(),
  wall,
  ward: wall ?? remembered("ward", ""),
  theme: remembered("theme", "dark"),
  privacy: wall != null,
  sound: false,
  mutedUntil: 0,
  screen: "ward",
  /** @type {?string} the patient that is open */
  patient: null,
  /** @type {?string} the card that has or had the focus */
  focused: null,
  find: "",
  /** @type {?{kind: string, patient: ?string}} */
  dialog: null,
  /** @type {Map<string, import("./types.js").Pending>} the newest action of each patient */
  pending: new Map(),
};

/** @type {Set<() => void>} */
const listeners = new Set();
/** @param {() => void} listener */
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
/** Take over changes and draw. @param {Partial<typeof state>} changes */
export function update(changes = {}) {
  Object.assign(state, changes);
  listeners.forEach((listener) => listener());
}

/** The cards of the chosen ward in bed order, with their state now. */
export function views() {
  const time = now();
  return [...state.cards.values()]
    .filter((card) => !state.ward || card.ward === state.ward)
    .sort(byBed)
    .map((card) => viewOf(card, time, state.system, state.pending.get(card.patient)));
}
export const viewFor = (patient) => {
  const card = state.cards.get(patient);
  return card ? viewOf(card, now(), state.system, state.pending.get(patient)) : null;
};

export const disconnectedSince = () =>
  Date.now() - state.heard >= DISCONNECTED_MS ? now() - (Date.now() - state.heard) : null;
export const mayAct = () =>
  !!state.session && (state.session.role !== "viewer" || state.session.kiosk);

/** @param {import("./types.js").System} system */
function takeSystem(system) {
  if (!state.system) {
    state.privacy = state.privacy || remembered("privacy", String(system.privacy)) === "true";
    state.sound = remembered("sound", String(system.sound)) === "true";
  } else if (system.version !== state.system.version && !state.dialog) {
    location.reload(); // The board was replaced by another version: its pages belong together.
  }
  state.system = system;
  state.heard = Date.now();
  setZone(system.zone);
  setClock(ms(system.clock === "log" && system.log_time ? system.log_time : system.time));
}

/** @param {import("./types.js").Card} card */
function takeCard(card) {
  state.cards.set(card.patient, card);
  const pending = state.pending.get(card.patient);
  if (pending) {
    const outcome = confirmed(pending, card);
    if (outcome === "yes") state.pending.delete(card.patient);
    if (outcome === "refused") {
      const { refusal } = card.answers.find((a) => a.action_id === pending.id);
      state.pending.set(card.patient, { ...pending, status: "refused", refusal });
    }
  }
  const risen = ms(card.risk?.time) ?? 0;
  if (state.system?.clock === "log" && risen > now()) setClock(risen);
}

/** @type {?EventSource} */
let source = null;
let opened = 0;

/** Follow the stream; a stream that ends, fails or falls silent is opened again. */
export function connect() {
  source?.close();
  opened = Date.now();
  const query = state.ward ? `?ward=${encodeURIComponent(state.ward)}` : "";
  const stream = new EventSource(`/api/stream${query}`);
  source = stream;
  const on = (name, take) =>
    stream.addEventListener(name, (event) => {
      if (source !== stream) return;
      take(JSON.parse(event.data || "{}"));
      update();
    });
  on("snapshot", (snapshot) => {
    takeSystem(snapshot.system);
    state.loaded = true;
    state.wards = snapshot.wards;
    state.cards = new Map();
    snapshot.cards.forEach(takeCard);
  });
  on("cards", (change) => {
    change.cards.forEach(takeCard);
    change.gone.forEach((patient) => state.cards.delete(patient));
  });
  on("system", takeSystem);
  on("bye", () => reconnect(500 + Math.random() * 1500));
  stream.onerror = () => source === stream && reconnect(1000 + Math.random() * 1000);
}

let timer = 0;
/** @param {number} delay in ms */
function reconnect(delay) {
  source?.close();
  source = null;
  clearTimeout(timer);
  timer = setTimeout(start, delay);
}

/** Ask who is logged in, then follow the stream. */
export async function start() {
  try {
    update({ session: await api.get("/api/session") });
    connect();
  } catch (error) {
    if (error.status === 401) loggedOut();
    else reconnect(3000);
  }
}

export function loggedOut() {
  source?.close();
  source = null;
  clearTimeout(timer);
  update({ session: null, cards: new Map(), loaded: false, dialog: null, patient: null, screen: "ward" });
}

/** Once a second: draw, and open a silent stream again. */
export function tick() {
  const silent = Date.now() - Math.max(state.heard, opened);
  if (source && silent > RECONNECT_MS) connect();
  update();
}

/**
 * Ask the board for an action. It is `sent` until a card shows it.
 * @param {string} action @param {import("./types.js").Card} card
 * @param {{alert_id: ?string, revision: ?number, minutes?: number, reason?: string, note?: string,
 *   verdict?: string, user?: string, pin?: string}} fields
 * @param {string} id the same for a repetition
 */
export async function act(action, card, fields, id) {
  await api.postAction({
    action, action_id: id, patient_id: card.patient, minutes: null, reason: null, note: null,
    verdict: null, ...fields,
  });
  state.pending.set(card.patient, {
    id, action, patient: card.patient, alert_id: fields.alert_id, revision: fields.revision,
    at: Date.now(), status: "sent",
  });
  const current = state.cards.get(card.patient);
  if (current) takeCard(current); // The stream may have been faster than the answer.
  update();
}

/** Open a screen; the browser's own back button works. No id is ever in the address. */
export function go(screen, patient = null) {
  if (state.screen === screen && state.patient === patient) return;
  history.pushState({ screen, patient }, "", `#/${screen}`);
  update({ screen, patient });
}
export function fromAddress() {
  const screen = location.hash.slice(2) || "ward";
  const patient = history.state?.patient ?? null;
  update(screen === "patient" && !patient ? { screen: "ward", patient } : { screen, patient });
}

/** @param {"theme"|"privacy"|"sound"|"ward"} name */
export function choose(name, value) {
  localStorage.setItem(`vigil.${name}`, String(value));
  update({ [name]: value });
  if (name === "ward") connect();
}
export const mute = () =>
  update({ mutedUntil: state.mutedUntil > Date.now() ? 0 : Date.now() + MUTE_MS });
/** Open a dialog. @param {string} kind @param {?string} patient */
export const ask = (kind, patient = null) => update({ dialog: { kind, patient } });
