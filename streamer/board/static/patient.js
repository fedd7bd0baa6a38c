/** One patient: 48 hours of risk and vital signs, values, reasons, who did what, four buttons. */
import { html, useEffect, useRef, useState } from "./vendor/htm-preact-3.1.1.module.js";
import * as api from "./api.js";
import { Band } from "./card.js";
import { Chart } from "./charts.js";
import { Bar } from "./shapes.js";
import { ask, disconnectedSince, go, mayAct, state, viewFor } from "./store.js";
import { dayTime, ms, now, span } from "./time.js";
import { answerable, bedText, isOld, nameFor, particulars, riskText, stateLine, treatedText } from "./view.js";
import { W, nameOf, reasonText, unitOf, valueOf } from "./words.js";

/** A change of the card loads the details again, at most this often. */
const LOAD_MS = 5000;
const CHARTS = [
  ["heart_rate", ["heart_rate"], "/min", 0],
  ["map", ["map", "sbp"], "mmHg", 0],
  ["resp_rate", ["resp_rate"], "/min", 0],
  ["spo2", ["spo2"], "%", 0],
  ["temperature", ["temperature"], "°C", 1],
];

/** The details of a patient, loaded again when the card has changed. */
function useDetails(patient) {
  const [details, setDetails] = useState(null);
  const [error, setError] = useState(null);
  const loaded = useRef(0);
  const card = state.cards.get(patient);
  const due = Math.max(0, LOAD_MS - (Date.now() - loaded.current));
  useEffect(() => {
    let dropped = false;
    const timer = setTimeout(async () => {
      loaded.current = Date.now();
      try {
        const again = details?.patient === patient || "";
        const document = await api.get(`/api/patients/${encodeURIComponent(patient)}`, { again });
        if (!dropped) setDetails(document), setError(null);
      } catch (failure) {
        if (!dropped) setError(failure);
      }
    }, due);
    return () => {
      dropped = true;
      clearTimeout(timer);
    };
  }, [patient, card?.last_contact, card?.alert?.phase, card?.alert?.changed, card?.state]);
  return [details, error];
}

const usual = ({ low, high }) =>
  low == null ? (high == null ? "" : `≤ ${high}`) : high == null ? `≥ ${low}` : `${low}–${high}`;

const raises = ({ phase }) => ["start", "escalate"].includes(phase);

/** Times in which an alert was on, with its severity then. */
function spansOf(alerts, end) {
  return alerts.flatMap((alert) => {
    const rise = alert.messages.find((m) => m.phase === "escalate");
    const start = ms(alert.started);
    const stop = ms(alert.ended) ?? end;
    if (!rise) return [{ start, end: stop, severity: alert.severity }];
    const at = ms(rise.time);
    return [
      { start, end: at, severity: "medium" },
      { start: at, end: stop, severity: "high" },
    ];
  });
}

function Charts({ card, details, end }) {
  const spans = spansOf(details?.alerts ?? [], end);
  const risk = (details?.history ?? []).map((p) => [ms(p.time), p.risk]);
  const points = risk.length ? risk : card.series;
  const limit = card.risk?.threshold ?? card.alert?.threshold;
  const measured = CHARTS.filter(([, variables]) => variables.some((v) => details?.vitals?.[v]?.length));
  return html`<section class="charts" aria-label=${W.patient.riskChart}>
    <${Chart} name=${W.patient.riskChart} unit="" decimals=${2} height=${216} end=${end} spans=${spans}
      limit=${limit} floor=${0} ceiling=${2.5 * (limit ?? 0.16)} times
      lines=${[{ label: W.risk, points, colour: "--curve" }]} />
    <p class="muted">${W.patient.shaded} - - - ${W.patient.limitLine} ${riskText(limit)}</p>
    ${measured.map(([key, variables, unit, decimals], i) => html`<${Chart} key=${key}
      name=${nameOf(key)} unit=${unit} decimals=${decimals} height=${i === measured.length - 1 ? 110 : 88}
      end=${end} spans=${spans} times=${i === measured.length - 1}
      lines=${variables.filter((v, n) => n === 0 || details?.vitals?.[v]?.length).map((v, n) => ({
        label: nameOf(v), points: details?.vitals?.[v] ?? [], colour: n ? "--curve-2" : "--curve",
      }))} />`)}
  </section>`;
}

function Values({ details, time }) {
  return html`<section>
    <h2>${W.patient.values}</h2>
    <table class="values">
      <thead><tr><th>${W.patient.variable}</th><th></th><th>${W.patient.age}</th><th>${W.patient.limits}</th></tr></thead>
      <tbody>
        ${(details?.values ?? []).map((v) => {
          const beyond = v.high != null && v.value > v.high ? "above" : v.low != null && v.value < v.low ? "below" : "";
          const old = isOld(v.variable, (time - ms(v.time)) / 60e3);
          return html`<tr key=${v.variable} class=${`${beyond && "beyond"} ${old ? "old" : ""}`}>
            <th scope="row">${nameOf(v.variable)}</th>
            <td>
              <b>${valueOf(v.variable, v.value)}${old && "?"}</b> ${unitOf(v.unit)}
              ${beyond && html` <span class="word">${beyond === "above" ? "↑" : "↓"} ${W.patient[beyond]}</span>`}
            </td>
            <td>${span(time - ms(v.time))}</td>
            <td class="muted">${usual(v)}</td>
          </tr>`;
        })}
      </tbody>
    </table>
    <p class="muted note">${W.patient.oldNote}</p>
  </section>`;
}

/** The reasons are those of the newest start or rise: values and ages are of that time. */
function Reasons({ card, details }) {
  const reasons = card.alert?.reasons ?? [];
  const alert = details?.alerts?.find((a) => a.alert_id === card.alert?.alert_id);
  const raised = alert?.messages.findLast(raises);
  const at = reasons.length > 0 && ms(raised?.time ?? card.alert.started);
  const most = Math.max(0.001, ...reasons.map((r) => r.contribution));
  return html`<section>
    <h2>${W.patient.reasons}${at && html` <small>${W.patient.reasonsAt(dayTime(at))}</small>`}</h2>
    ${reasons.length === 0 && html`<p class="muted">${W.patient.noReasons}</p>`}
    <ol class="reasons">
      ${reasons.map((reason) => html`<li key=${reason.variable}>
        <span>${reasonText(reason)} <small class="muted">${W.patient.ageThen(span(reason.age_minutes * 60e3))}</small></span>
        <${Bar} share=${reason.contribution / most} />
      </li>`)}
    </ol>
  </section>`;
}

function History({ details, time }) {
  const lines = (details?.alerts ?? [])
    .flatMap((alert) => alert.messages)
    .sort((a, b) => ms(b.time) - ms(a.time));
  return html`<section>
    <h2>${W.patient.history}</h2>
    ${lines.length === 0 && html`<p class="muted">${W.patient.noHistory}</p>`}
    <ol class="history">
      ${lines.map((line, i) => html`<li key=${i} class=${line.severity}>
        <time>${dayTime(ms(line.time))}</time>
        <span>
          <b>${W.phases[line.phase] ?? line.phase}</b>${raises(line) ? ` ${W.severity[line.severity]}` : ""}
          ${line.refusal && `: ${W.refusal[line.refusal] ?? line.refusal}`}
          ${line.by && ` ${W.patient.by(line.by.name || line.by.user)}`}
          ${line.note && html`<q>${line.note}</q>`}
        </span>
        <small class="muted">${span(time - ms(line.time))}</small>
      </li>`)}
    </ol>
  </section>`;
}

/** The four buttons, and below them what takes an answer back. */
function Actions({ view }) {
  const { card } = view;
  const button = (kind, enabled, extra = "") => html`<button
    key=${kind}
    class=${extra}
    aria-disabled=${enabled ? null : "true"}
    onClick=${() => enabled && ask(kind, card.patient)}
  >${W.actions[kind]}</button>`;
  if (!mayAct()) return html`<p class="muted">${W.patient.viewer}</p>`;
  const on = !!card.alert?.on;
  const back = [
    view.state === "acknowledged" && "unacknowledge",
    view.state === "snoozed" && "resume",
    card.paused && "unpause",
  ].filter(Boolean);
  return html`<div class="actions">
    ${button("acknowledge", answerable(view), "primary")}
    ${button("snooze", on && view.state !== "snoozed")}
    ${button("pause", !card.paused)}
    ${button("feedback", !!card.alert)}
    ${back.length > 0 && html`<div class="back">${back.map((kind) => button(kind, true))}</div>`}
  </div>`;
}

export function Patient({ patient }) {
  const view = viewFor(patient);
  const [details, error] = useDetails(patient);
  if (!view) {
    return html`<main class="sheet"><p>${state.loaded ? W.errors.missing : W.connecting}</p>
      <button onClick=${() => go("ward")}>${W.patient.back}</button></main>`;
  }
  const { card } = view;
  const time = now();
  const name = nameFor(card, state.privacy);
  return html`<main class=${`patient ${disconnectedSince() ? "old" : ""}`}>
    <header class=${`title ${view.severity ?? "calm"} ${view.flash ? "flash" : ""} ${view.stale ? "stale" : ""}`}>
      <button class="back" onClick=${() => go("ward")}>← ${W.patient.back}</button>
      <h1><span class="bed">${bedText(card)}</span> ${name.label}</h1>
      <p class="muted">
        ${[name.id !== name.label && name.id, particulars(card), card.ward, card.admitted && W.patient.admitted(dayTime(ms(card.admitted)))].filter(Boolean).join(" · ")}
      </p>
      <p class="band"><${Band} view=${view} time=${time} /></p>
      <p class="state">${stateLine(view, time)}</p>
      <p class="numbers">
        <span>${W.risk} <b>${view.stale || !card.risk ? "?" : card.risk.indeterminate ? W.indeterminate : riskText(card.risk.value)}</b></span>
        <span>${W.news2} <b>${view.stale ? "?" : (card.news2 ?? "–")}</b></span>
        <span>${W.qsofa} <b>${view.stale ? "?" : (card.qsofa ?? "–")}</b></span>
        <span class="muted">${W.lastContact(view.contact ? span(time - view.contact) : W.never)}</span>
        ${card.treated && html`<span class="mark">℞ ${treatedText(card, time)}</span>`}
      </p>
    </header>
    ${(error || details?.history_available === false) &&
    html`<p class="error" role="status">${error?.status === 404 ? W.errors.missing : W.errors.history_unavailable}</p>`}
    <div class="columns">
      <${Charts} card=${card} details=${details} end=${time} />
      <div class="facts">
        <${Actions} view=${view} />
        <${Reasons} card=${card} details=${details} />
        <${Values} details=${details} time=${time} />
        <${History} details=${details} time=${time} />
      </div>
    </div>
  </main>`;
}
