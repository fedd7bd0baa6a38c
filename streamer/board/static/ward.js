/** The ward: cards in bed order that never move by themselves, and what needs attention. */
import { html, useLayoutEffect, useRef, useState } from "./vendor/htm-preact-3.1.1.module.js";
import { Band, Card, matches } from "./card.js";
import { ask, disconnectedSince, go, mayAct, state, update, views } from "./store.js";
import { now } from "./time.js";
import { answerable, attention, nameFor, stateLine } from "./view.js";
import { W } from "./words.js";

/** Open a patient; on a wall nobody reads details: there it asks who answers. */
export function open(patient) {
  if (!state.wall) go("patient", patient);
  else if (mayAct()) ask("acknowledge", patient);
}

export const patientOf = (element) => element?.closest?.("[data-patient]")?.patient ?? null;

function Grid({ list }) {
  const grid = useRef(null);
  const index = useRef(0);
  // The focus of a card that leaves goes to its neighbour, never to nowhere.
  useLayoutEffect(() => {
    const cards = [...grid.current.querySelectorAll(".card")];
    const at = cards.indexOf(document.activeElement);
    if (at >= 0) index.current = at;
    else if (state.focused && !state.cards.has(state.focused) && document.activeElement === document.body) {
      cards[Math.min(index.current, cards.length - 1)]?.focus();
    }
  });
  const roving = list.some((v) => v.card.patient === state.focused) ? state.focused : list[0]?.card.patient;
  return html`<ul
    class="grid"
    ref=${grid}
    onfocusin=${(event) => {
      const patient = patientOf(event.target);
      if (patient && patient !== state.focused) update({ focused: patient });
    }}
    onClick=${(event) => {
      const patient = patientOf(event.target);
      if (patient) open(patient);
    }}
  >
    ${list.map(
      (view) => html`<li key=${view.card.patient}>
        <${Card} view=${view} first=${view.card.patient === roving} />
      </li>`,
    )}
  </ul>`;
}

/** Find a bed or a name: cards stay where they are, the first match gets the focus. */
function Find() {
  const needle = state.find.trim().toLowerCase();
  const count = needle ? views().filter((v) => matches(v.card, needle)).length : 0;
  return html`<form
    class="find"
    role="search"
    onSubmit=${(event) => {
      event.preventDefault();
      document.querySelector(".card.match")?.focus();
    }}
  >
    <input
      id="find"
      type="search"
      placeholder=${W.find}
      aria-label=${W.find}
      autocomplete="off"
      value=${state.find}
      onInput=${(event) => update({ find: event.target.value })}
    />
    ${needle && html`<small class="muted" role="status">${W.found(count)}</small>`}
  </form>`;
}

/** Most urgent first; while the pointer or the focus is in the list, its order stands still. */
function Attention({ list }) {
  const order = useRef([]);
  const [held, hold] = useState(false);
  let shown = list;
  if (held) {
    const byPatient = new Map(list.map((v) => [v.card.patient, v]));
    const kept = order.current.flatMap((patient) => byPatient.get(patient) ?? []);
    shown = [...kept, ...list.filter((v) => !kept.includes(v))];
  }
  order.current = shown.map((v) => v.card.patient);
  const time = now();
  return html`<aside
    class="attention"
    aria-label=${W.attention}
    onPointerenter=${() => hold(true)}
    onPointerleave=${() => hold(false)}
    onfocusin=${() => hold(true)}
    onfocusout=${() => hold(false)}
  >
    ${!state.wall && html`<${Find} />`}
    <h2>${W.attention} <span class="count">${list.length}</span></h2>
    <ol>
      ${shown.map((view) => {
        const { card, severity } = view;
        const classes = ["entry", severity ?? "calm", `is-${view.state}`];
        if (view.flash) classes.push("flash");
        return html`<li
          key=${card.patient}
          class=${classes.join(" ")}
          data-patient=${card.patient.slice(-4)}
          ref=${(element) => element && (element.patient = card.patient)}
        >
          <button class="open" onClick=${() => open(card.patient)}>
            <span class="top"><b class="bed">${card.bed ?? "–"}</b><${Band} view=${view} time=${time} /></span>
            <span class="who">${nameFor(card, state.privacy).label}</span>
            <span class="state">${stateLine(view, time)}</span>
          </button>
          ${answerable(view) &&
          mayAct() &&
          !state.wall &&
          html`<button class="answer" onClick=${() => ask("acknowledge", card.patient)}>
            ${W.actions.acknowledge}
          </button>`}
        </li>`;
      })}
    </ol>
    ${list.length === 0 && html`<p class="muted">${W.attentionNone}</p>`}
    <p class="muted note">${W.attentionNote}</p>
  </aside>`;
}

export function Ward() {
  const list = views();
  const urgent = attention(list);
  return html`<main class=${`ward ${disconnectedSince() ? "old" : ""}`}>
    <h1 class="hidden">${W.ward} ${state.ward || W.allWards}</h1>
    <${Attention} list=${urgent} />
    ${list.length ? html`<${Grid} list=${list} />` : html`<p class="empty">${W.noPatients}</p>`}
  </main>`;
}

/** The card that an arrow key leads to, by where the cards stand on the screen. */
export function neighbour(key) {
  const cards = [...document.querySelectorAll(".grid .card")];
  const at = cards.indexOf(document.activeElement?.closest?.(".card"));
  if (at < 0) return cards.find((c) => c.tabIndex === 0) ?? cards[0];
  const columns = cards.filter((c) => c.offsetTop === cards[0].offsetTop).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  return cards[at + step] ?? cards[at];
}
