/** The page: one screen at a time, the keys, the second that ticks. */
import { html, render, useEffect, useState } from "./vendor/htm-preact-3.1.1.module.js";
import { whenLoggedOut } from "./api.js";
import { ActionDialog, Help } from "./dialogs.js";
import { Banners, Header } from "./header.js";
import { Login } from "./login.js";
import { Patient } from "./patient.js";
import { About, Alerts, Audit, Burden, Handover } from "./sheets.js";
import { soundTick } from "./sound.js";
import {
  ask, choose, fromAddress, go, loggedOut, mayAct, mute, start, state, subscribe, tick, viewFor, views,
} from "./store.js";
import { answerable, attention } from "./view.js";
import { Ward, neighbour, open, patientOf } from "./ward.js";
import { W } from "./words.js";

const SCREENS = { ward: Ward, alerts: Alerts, handover: Handover, burden: Burden, audit: Audit, about: About };

function App() {
  const [, draw] = useState(0);
  useEffect(() => subscribe(() => draw((n) => n + 1)), []);
  useEffect(() => {
    // Another screen begins at its top; the ward, at the card that was left.
    if (state.screen !== "ward") scrollTo(0, 0);
    else if (state.focused) document.querySelector('.card[tabindex="0"]')?.focus();
  }, [state.screen, state.patient]);
  if (state.session === null) return html`<${Banners} /><${Login} />`;
  if (!state.loaded) return html`<${Banners} /><main class="empty">${W.connecting}</main>`;
  const { dialog } = state;
  const Screen = SCREENS[state.screen] ?? Ward;
  const urgent = attention(views()).find((v) => v.flash);
  return html`
    <${Banners} />
    <${Header} />
    ${state.patient && state.screen === "patient"
      ? html`<${Patient} key=${state.patient} patient=${state.patient} />`
      : html`<${Screen} />`}
    <p class="hidden" aria-live="polite">
      ${urgent && W.announce(W.severity[urgent.severity], urgent.card.bed ?? W.noBed)}
    </p>
    ${dialog && (dialog.kind === "help" ? html`<${Help} />` : html`<${ActionDialog} kind=${dialog.kind} patient=${dialog.patient} />`)}
  `;
}

/** What a key does; in text fields and dialogs the keys of the page are dead. */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || state.dialog || !state.session) return;
  const { target, key } = event;
  const find = target.id === "find";
  if (target.matches?.("input, textarea, select")) {
    if (find && key === "Escape") neighbour("Home")?.focus();
    return;
  }
  const patient = state.screen === "patient" ? state.patient : patientOf(document.activeElement);
  const view = patient ? viewFor(patient) : null;
  const acts = {
    a: () => view && mayAct() && ask(answerable(view) ? "acknowledge" : "nothing", patient),
    s: () => view && mayAct() && !state.wall && ask(view.card.alert?.on ? "snooze" : "nothing", patient),
    "/": () => document.getElementById("find")?.focus(),
    m: mute,
    p: () => !state.wall && choose("privacy", !state.privacy),
    "?": () => ask("help"),
    Escape: () => state.screen !== "ward" && !state.wall && go("ward"),
    Enter: () => {
      if (target.classList?.contains("card")) open(patient);
      else return false;
      return true;
    },
  };
  const arrow = key.startsWith("Arrow") && state.screen === "ward" && !target.closest?.(".attention");
  if (arrow) neighbour(key)?.focus();
  else if (!acts[key] || (event.repeat && key !== "Escape") || acts[key]() === false) return;
  event.preventDefault();
}

/** All that flashes, flashes together. */
function inStep() {
  for (const animation of document.getAnimations()) {
    if (animation.startTime) animation.startTime = 0;
  }
}

function drawn() {
  document.documentElement.dataset.theme = state.theme;
  document.body.classList.toggle("wall", state.wall != null);
  const list = views();
  const high = list.filter((v) => v.flash && v.severity === "high").length;
  document.title = high ? `${high} ${W.severity.high} · ${W.product}` : W.product;
  soundTick(list);
}

document.documentElement.dataset.theme = state.theme;
whenLoggedOut(loggedOut);
subscribe(drawn);
document.addEventListener("keydown", onKey);
window.addEventListener("popstate", fromAddress);
render(html`<${App} />`, document.getElementById("app"));
fromAddress();
void start();
setInterval(() => {
  tick();
  inStep();
}, 1000);
