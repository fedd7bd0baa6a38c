/** The head of all screens, the banners that nobody can dismiss, and who is logged in. */
import { html } from "./vendor/htm-preact-3.1.1.module.js";
import * as api from "./api.js";
import { ask, choose, disconnectedSince, go, loggedOut, mayAct, mute, state, views } from "./store.js";
import { wakeSound } from "./sound.js";
import { dayTime, hourMinuteSecond, ms, now, timer, zone } from "./time.js";
import { W } from "./words.js";

const at = (text) => (text ? dayTime(ms(text)) : "?");

/** Banners of full width, the gravest first. */
export function Banners() {
  const { system } = state;
  const since = disconnectedSince();
  const banners = [];
  if (since) banners.push(["disconnected", W.banner.disconnected(dayTime(since)), W.banner.disconnectedNote]);
  if (system?.kafka === "away") banners.push(["kafka", W.banner.kafka(at(system.kafka_since)), W.banner.kafkaNote]);
  if (system?.scoring === "stopped") {
    banners.push(["scoring", W.banner.scoring(at(system.scoring_since)), W.banner.scoringNote]);
  }
  if (system?.feed === "silent") banners.push(["feed", W.banner.feed(at(system.feed_since)), W.banner.feedNote]);
  return html`<div class="banners">
    ${banners.map(
      ([kind, text, note]) => html`<div key=${kind} class=${`banner ${kind}`} role="alert">
        <b>${text}</b> <span>${note}</span>
      </div>`,
    )}
    ${(system?.auth === "none" || system?.clock === "log") &&
    html`<p class="strip" key="strip">
      ${system.auth === "none" && W.banner.unverified} ${system.clock === "log" && W.banner.replay}
    </p>`}
  </div>`;
}

function Counts({ list }) {
  const of = (test) => list.filter(test).length;
  const shown = (severity) => of((v) => v.severity === severity && v.state !== "ended_unseen");
  const overdue = of((v) => v.overdue);
  const silent = of((v) => v.stale);
  return html`<p class="counts">
    <span>${W.beds(list.length)}</span>
    <span class=${shown("high") ? "high" : ""}>${shown("high")} ${W.severity.high}</span>
    <span class=${shown("medium") ? "medium" : ""}>${shown("medium")} ${W.severity.medium}</span>
    ${overdue > 0 && html`<span class="late">${W.overdue(overdue)}</span>`}
    ${silent > 0 && html`<span class="technical">${W.noDataCount(silent)}</span>`}
  </p>`;
}

export function toggleSound() {
  wakeSound();
  if (state.sound && state.mutedUntil > Date.now()) mute();
  else choose("sound", !state.sound);
}

function Tools() {
  const { session, system } = state;
  const muted = state.mutedUntil > Date.now();
  const sound = !state.sound ? W.soundOff : muted ? W.audioPaused(timer(state.mutedUntil - Date.now())) : W.soundOn;
  return html`<div class="tools">
    <button class=${muted && state.sound ? "muted-sound" : ""} aria-pressed=${state.sound ? "true" : "false"} onClick=${toggleSound}>${sound}</button>
    ${!state.wall &&
    html`<button aria-pressed=${state.privacy ? "true" : "false"} onClick=${() => choose("privacy", !state.privacy)}>
        ${state.privacy ? W.privacyOn : W.privacyOff}
      </button>
      <button onClick=${() => choose("theme", state.theme === "dark" ? "light" : "dark")}>
        ${state.theme === "dark" ? W.light : W.dark}
      </button>
      <button aria-label=${W.help} onClick=${() => ask("help")}>${W.helpButton}</button>`}
    ${session &&
    system?.auth === "session" &&
    !state.wall &&
    html`<button
      onClick=${async () => {
        await api.logOut().catch(() => {});
        loggedOut();
      }}
    >
      ${W.logOut}
    </button>`}
  </div>`;
}

function Screens() {
  const screens = ["ward", "alerts", "handover", "burden", "about"];
  if (state.session?.role === "admin") screens.splice(4, 0, "audit");
  return html`<nav aria-label=${W.product}>
    ${screens.map(
      (screen) => html`<a
        key=${screen}
        href=${`#/${screen}`}
        aria-current=${state.screen === screen ? "page" : null}
        onClick=${(event) => {
          event.preventDefault();
          go(screen);
        }}
        >${W.screens[screen]}</a
      >`,
    )}
  </nav>`;
}

export function Header() {
  const { system } = state;
  return html`<header class="page">
    <b class="product">${W.product}</b>
    ${state.wall
      ? html`<b class="place">${state.ward}</b>`
      : html`<select
          aria-label=${W.ward}
          value=${state.ward}
          onChange=${(event) => choose("ward", event.target.value)}
        >
          <option value="">${W.allWards}</option>
          ${state.wards.map((ward) => html`<option key=${ward} value=${ward}>${ward}</option>`)}
        </select>`}
    ${!state.wall && html`<${Screens} />`}
    <${Counts} list=${views()} />
    ${state.wall &&
    mayAct() &&
    html`<button class="who" onClick=${() => ask("acknowledge")}>${W.whoAreYou}</button>`}
    <${Tools} />
    <p class="clock">
      <b>${hourMinuteSecond(now())}</b>
      <small>
        ${!state.wall && state.session && html`<span class="user">${state.session.name || state.session.user}</span> · `}
        ${zone()}${system?.model ? ` · ${W.model} ${system.model.slice(0, 8)}` : ""}
      </small>
    </p>
  </header>`;
}
