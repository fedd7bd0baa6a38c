/**
 * Dialogs. A confirmation belongs to one revision of one alert: if a rise comes while it is
 * open, its button dies where it stands and another one asks again.
 */
import { html, useLayoutEffect, useRef, useState } from "./vendor/htm-preact-3.1.1.module.js";
import { Shape } from "./shapes.js";
import { act, state, update, viewFor, views } from "./store.js";
import { now } from "./time.js";
import { answerable, attention, bandText, bedText, nameFor, stateLine } from "./view.js";
import { W, reasonText } from "./words.js";

export function close() {
  update({ dialog: null });
  if (document.activeElement === document.body) {
    document.querySelector('.card[tabindex="0"], .patient .actions button')?.focus();
  }
}

/** A modal dialog: the rest of the page is inert, Escape only closes. */
function Modal({ title, children }) {
  const dialog = useRef(null);
  useLayoutEffect(() => {
    const element = dialog.current;
    element.showModal();
    element.querySelector("[data-first]")?.focus();
    return () => element.close();
  }, []);
  return html`<dialog
    ref=${dialog}
    aria-labelledby="dialog-title"
    onCancel=${(event) => {
      event.preventDefault();
      close();
    }}
  >
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`;
}

const Close = () => html`<div class="buttons"><button data-first onClick=${close}>${W.dialog.close}</button></div>`;

export const Help = () => html`<${Modal} title=${W.help}><${Keys} /><${Close} /></${Modal}>`;

export const Keys = () => html`<dl class="keys">
  ${W.keys.map(([key, text]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${text}</dd></div>`)}
</dl>`;

/** Radio buttons of codes and their words. */
function Choice({ name, legend, options, value = null, first = false }) {
  return html`<fieldset>
    <legend>${legend}</legend>
    <div class="options">
      ${Object.entries(options).map(
        ([code, text], i) => html`<label key=${code}>
          <input
            type="radio"
            name=${name}
            value=${code}
            required
            defaultChecked=${code === value}
            data-first=${first && i === 0 ? "" : null}
          />
          <span>${text}</span>
        </label>`,
      )}
    </div>
  </fieldset>`;
}

/** Spans that may be chosen: at most `limit` seconds. */
const spans = (list, limit) =>
  Object.fromEntries(list.filter((n) => n * 60 <= limit).map((n) => [n, W.minutes(n)]));

function Fields({ kind, view }) {
  const settings = state.system?.settings ?? {};
  const high = view.severity === "high";
  const note = html`<label class="field"><span>${W.dialog.note}</span><input name="note" maxlength="200" autocomplete="off" /></label>`;
  if (kind === "snooze") {
    const limit = (high ? settings.snooze_max_high : settings.snooze_max) ?? 1800;
    return html`<${Choice} name="minutes" legend=${W.dialog.minutes} options=${spans([15, 30, 60, 120], limit)} value="15" first />
      <${Choice} name="reason" legend=${W.dialog.reason} options=${W.snoozeReasons} />
      ${note}
      <p class="muted">${W.dialog.snoozeNote}</p>`;
  }
  if (kind === "pause") {
    return html`<${Choice} name="reason" legend=${W.dialog.reason} options=${W.pauseReasons} first />
      <${Choice} name="minutes" legend=${W.dialog.minutes} options=${spans([60, 120, 240, 720], settings.pause_max ?? 43200)} value="60" />
      ${note}
      <p class="muted">${W.dialog.pauseNote} ${W.dialog.comfortNote}</p>`;
  }
  if (kind === "feedback") {
    const outcome = state.system?.outcome;
    return html`<${Choice} name="verdict" legend=${W.dialog.verdict} options=${W.verdictsOf(outcome)} first />
      <${Choice} name="reason" legend=${W.dialog.reason} options=${W.feedbackReasonsOf(outcome)} />
      ${note}`;
  }
  return null;
}

/** Bed, id, severity, state: what an action is about. */
function Subject({ view }) {
  const { card, severity } = view;
  const name = nameFor(card, state.privacy);
  const reason = card.alert?.reasons?.[0];
  return html`<div class=${`subject ${severity ?? "calm"}`}>
    <b class="bed">${bedText(card)}</b>
    <span>${name.label === name.id ? name.id : `${name.label} · ${name.id}`}</span>
    ${severity && html`<b class="severity"><${Shape} kind=${severity} /> ${bandText(severity)}</b>`}
    <span>${stateLine({ ...view, pending: null }, now())}</span>
    ${severity && reason && html`<span class="reason">${reasonText(reason)}</span>`}
  </div>`;
}

/** Actions that belong to one revision of an alert. */
const BOUND = ["acknowledge", "unacknowledge", "snooze", "resume"];

/** What a confirmation belongs to. */
function boundTo(kind, view) {
  const { alert } = view.card;
  if (kind === "pause" || kind === "unpause") return { key: "patient", alert_id: null, revision: null };
  return {
    key: BOUND.includes(kind) ? `${alert?.alert_id} ${alert?.revision}` : alert?.alert_id,
    alert_id: alert?.alert_id ?? null,
    revision: alert?.revision ?? null,
    severity: alert?.severity,
  };
}

/** Choose the alert (on a wall, where nothing has the focus). */
function Picker() {
  const open = attention(views()).filter(answerable);
  return html`<label class="field"><span>${W.dialog.pickBed}</span>
    <select data-first onChange=${(event) => update({ dialog: { kind: "acknowledge", patient: event.target.value } })}>
      <option value="">${open.length ? W.dialog.pickBed : W.patient.nothing}</option>
      ${open.map((v) => html`<option key=${v.card.patient} value=${v.card.patient}>
        ${bedText(v.card)} ${bandText(v.card.alert.severity)}
      </option>`)}
    </select>
  </label>
  <div class="buttons"><button type="button" onClick=${close}>${W.dialog.cancel}</button></div>`;
}

export function ActionDialog({ kind, patient }) {
  const title = W.dialog[kind];
  return html`<${Modal} title=${title} key=${`${kind} ${patient}`}>
    ${patient ? html`<${ActionForm} kind=${kind} patient=${patient} />` : html`<${Picker} />`}
  </${Modal}>`;
}

function ActionForm({ kind, patient }) {
  const last = useRef(viewFor(patient)); // A patient who leaves keeps the form readable.
  const asked = useRef([]);
  const sent = useRef({ body: "", id: "" });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const view = viewFor(patient) ?? last.current;
  const gone = !state.cards.has(patient);
  last.current = view;
  if (!view) return html`<p>${W.dialog.gone}</p>`;
  // A key that answers, where there is nothing to answer.
  if (kind === "nothing") return html`<${Subject} view=${view} /><p>${W.dialog.nothingNote}</p><${Close} />`;
  const bound = boundTo(kind, view);
  if (asked.current.at(-1)?.key !== bound.key) asked.current.push(bound);
  const newest = asked.current.at(-1);
  const other = asked.current.length > 1 && asked.current[0].alert_id !== newest.alert_id;

  async function submit(event) {
    event.preventDefault();
    const button = event.submitter;
    if (busy || gone) return;
    if (button && button.value !== String(asked.current.length - 1)) {
      // It was meant for what stood there before: it only leads to the question that is new.
      event.target.querySelector("button.confirm:not([aria-disabled])")?.focus();
      return;
    }
    const form = Object.fromEntries(new FormData(event.target));
    const { alert_id, revision } = newest;
    const fields = { ...form, alert_id, revision, minutes: form.minutes ? Number(form.minutes) : null, note: form.note || null };
    const body = JSON.stringify({ kind, ...fields });
    if (sent.current.body !== body) sent.current = { body, id: crypto.randomUUID() };
    setBusy(true);
    try {
      await act(kind, view.card, fields, sent.current.id);
      close();
    } catch (failure) {
      setError(W.dialog.failed(failure.message));
      setBusy(false);
    }
  }

  return html`<form onSubmit=${submit}>
    <${Subject} view=${view} />
    <${Fields} kind=${kind} view=${view} />
    ${state.session?.kiosk &&
    html`<div class="pin">
      <label class="field"><span>${W.dialog.user}</span><input name="user" required autocomplete="off" data-first /></label>
      <label class="field"><span>${W.dialog.pin}</span><input name="pin" type="password" inputmode="numeric" required autocomplete="off" /></label>
    </div>`}
    ${view.state === "ended_unseen" && html`<p class="muted">${W.dialog.ended}</p>`}
    ${gone && html`<p class="error" role="alert">${W.dialog.gone}</p>`}
    ${error && html`<p class="error" role="alert">${error}</p>`}
    <div class="confirms">
      ${asked.current.map((revision, i) => {
        const dead = revision !== newest;
        return html`
          ${i > 0 && html`<p class="error" role="alert" key=${`text ${revision.key}`}>
            ${other ? W.dialog.another : W.dialog.risen}
          </p>`}
          <button
            key=${revision.key}
            value=${i}
            class="confirm"
            type="submit"
            aria-disabled=${dead ? "true" : null}
            data-first=${i === 0 && ["acknowledge", "unacknowledge", "resume", "unpause"].includes(kind) ? "" : null}
          >
            ${W.actions[kind]}${revision.severity && BOUND.includes(kind) ? ` ${bandText(revision.severity)}` : ""}
            ${dead && html` <small>(${W.dialog.withdrawn})</small>`}
          </button>
        `;
      })}
      <button type="button" onClick=${close}>${W.dialog.cancel}</button>
    </div>
  </form>`;
}
