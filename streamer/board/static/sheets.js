/** Screens that are read, not watched: alerts, handover, burden, audit, about. */
import { html, useEffect, useState } from "./vendor/htm-preact-3.1.1.module.js";
import * as api from "./api.js";
import { Keys } from "./dialogs.js";
import { Bar, Shape } from "./shapes.js";
import { go, state, viewFor, views } from "./store.js";
import { dayTime, hourMinute, ms, now, span, zone } from "./time.js";
import { byBed, bandText, nameFor, particulars, riskText, stateLine, treatedText, vitalsOf } from "./view.js";
import { W, reasonText } from "./words.js";

const VENDOR = new URL("./vendor/manifest.json", import.meta.url).pathname;

/** Load once and whenever `inputs` change. */
function useLoaded(path, query) {
  const [document, setDocument] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    let dropped = false;
    api.get(path, query).then(
      (loaded) => dropped || (setDocument(loaded), setError(null)),
      (failure) => dropped || setError(failure),
    );
    return () => (dropped = true);
  }, [path, JSON.stringify(query)]);
  return [document, error];
}

const Failure = ({ error }) => error && html`<p class="error" role="alert">${error.message}</p>`;

function Select({ label, value, options, onChoose }) {
  return html`<label class="field inline"><span>${label}</span>
    <select value=${value} onChange=${(event) => onChoose(event.target.value)}>
      ${options.map(([code, text]) => html`<option key=${code} value=${code}>${text}</option>`)}
    </select>
  </label>`;
}

/** Severity as words and shape. */
const Severity = ({ severity }) => html`<span class=${`chip ${severity}`}><${Shape} kind=${severity} /> ${bandText(severity)}</span>`;

const percent = (share) => (share == null ? W.burden.none : `${Math.round(share * 100)} %`);

/** A table that scrolls by itself where the screen is narrow. */
const Table = ({ columns, children, label }) => html`<div class="scroll" tabindex="0" role="region" aria-label=${label}>
  <table>
    <thead><tr>${columns.map((text) => html`<th key=${text} scope="col">${text}</th>`)}</tr></thead>
    <tbody>${children}</tbody>
  </table>
</div>`;

export function Alerts() {
  const [hours, setHours] = useState("48");
  const [severity, setSeverity] = useState("");
  const [kind, setKind] = useState("");
  const [document, error] = useLoaded("/api/alerts", { hours });
  const rows = (document?.alerts ?? []).filter(
    (a) => (!severity || a.severity === severity) && (!kind || a.state === kind) && (!state.ward || a.ward === state.ward),
  );
  const states = ["open", "acknowledged", "snoozed", "paused", "ended_unseen", "closed"];
  return html`<main class="sheet">
    <h1>${W.alerts.title}</h1>
    <form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <${Select} label=${W.alerts.hours} value=${hours} onChoose=${setHours} options=${["12", "24", "48"].map((n) => [n, `${n} h`])} />
      <${Select} label=${W.alerts.severity} value=${severity} onChoose=${setSeverity}
        options=${[["", W.alerts.any], ["high", W.severity.high], ["medium", W.severity.medium]]} />
      <${Select} label=${W.alerts.state} value=${kind} onChoose=${setKind} options=${[["", W.alerts.any], ...states.map((s) => [s, W.stateWord[s]])]} />
    </form>
    <${Failure} error=${error} />
    <${Table} columns=${W.alerts.columns} label=${W.alerts.title}>
      ${rows.map((a) => {
        const name = nameFor(a, state.privacy);
        return html`<tr key=${a.alert_id}>
          <td><b class="bed">${a.bed ?? "–"}</b></td>
          <td>${state.cards.has(a.patient) ? html`<button class="link" onClick=${() => go("patient", a.patient)}>${name.label}</button>` : name.label}</td>
          <td><${Severity} severity=${a.severity} /></td>
          <td>${dayTime(ms(a.started))}</td>
          <td>${a.ended ? dayTime(ms(a.ended)) : W.alerts.still}</td>
          <td>${W.stateWord[a.state] ?? a.state}</td>
          <td>${a.acknowledged_by ? `${a.acknowledged_by} ${a.acknowledged_time ? hourMinute(ms(a.acknowledged_time)) : ""}` : "–"}</td>
          <td>${a.risk == null ? "–" : riskText(a.risk)}</td>
          <td>${a.reasons?.[0] ? reasonText(a.reasons[0]) : "–"}</td>
        </tr>`;
      })}
    </${Table}>
    ${document && rows.length === 0 && html`<p class="muted">${W.alerts.none}</p>`}
  </main>`;
}

/** Two lines a patient, for the paper of the change of shift. */
export function Handover() {
  const [document, error] = useLoaded("/api/alerts", { hours: 12 });
  const time = now();
  // The alert that is on says its state as the card does.
  const stateOf = (a) => {
    const view = viewFor(a.patient);
    if (view?.card.alert?.alert_id === a.alert_id && view.rank < 99) return stateLine({ ...view, pending: null }, time);
    return [W.stateWord[a.state], a.acknowledged_by].filter(Boolean).join(" ");
  };
  const line = (a) =>
    [
      `${bandText(a.severity)} ${a.ended ? `${dayTime(ms(a.started))}–${dayTime(ms(a.ended))}` : W.alerts.since(dayTime(ms(a.started)))}`,
      stateOf(a),
      ...(a.reasons ?? []).slice(0, 2).map(reasonText),
    ].join(" · ");
  return html`<main class="sheet handover">
    <h1>${W.handover.title} <small>${state.ward || W.allWards}</small></h1>
    <p class="muted">${W.handover.printed(`${dayTime(time)} ${zone()}`)} <button class="noprint" onClick=${() => print()}>${W.handover.print}</button></p>
    <${Failure} error=${error} />
    <ol>
      ${views().map((view) => {
        const { card } = view;
        const name = nameFor(card, state.privacy);
        const alerts = (document?.alerts ?? []).filter((a) => a.patient === card.patient);
        const risk = view.stale ? `${W.technical} ${W.noData}` : card.risk && !card.risk.indeterminate
          ? `${W.risk} ${riskText(card.risk.value)} (${span(time - ms(card.risk.time))}) · ${W.news2} ${card.news2 ?? "–"}`
          : W.indeterminate;
        return html`<li key=${card.patient} class=${view.severity ?? ""}>
          <p><b class="bed">${card.bed ?? "–"}</b> <b>${name.label}</b> ${name.id !== name.label ? name.id : ""} ${particulars(card)} · ${risk} ·
            ${" "}${vitalsOf(card, time).filter((v) => v.text !== "–").map((v) => `${v.name} ${v.text} (${v.age})`).join(", ")}</p>
          <p>${[
            !document && W.handover.unknown,
            ...alerts.map(line),
            card.paused && !alerts.length && stateLine({ ...view, pending: null }, time),
            card.treated && treatedText(card, time),
          ].filter(Boolean).join(" · ") || html`<span class="muted">${W.handover.quiet}</span>`}</p>
        </li>`;
      })}
    </ol>
    <p class="muted">${W.handover.footer}</p>
  </main>`;
}

const Tile = ({ value, words, note }) => html`<div class="tile"><b>${value}</b><span>${words}</span><small class="muted">${note}</small></div>`;

export function Burden() {
  const [days, setDays] = useState("7");
  const [b, error] = useLoaded("/api/burden", { days });
  const most = Math.max(1, ...(b?.by_day ?? []).map((d) => d.starts));
  const time = (seconds) => (seconds == null ? W.burden.none : span(seconds * 1000));
  const v = b?.verdicts;
  return html`<main class="sheet">
    <h1>${W.burden.title}</h1>
    <form class="filters" onSubmit=${(event) => event.preventDefault()}>
      <${Select} label=${W.burden.days} value=${days} onChoose=${setDays} options=${["1", "7", "30"].map((n) => [n, n])} />
    </form>
    <${Failure} error=${error} />
    ${b && html`<div class="tiles">
      <${Tile} value=${b.starts_per_bed_day?.toFixed(2) ?? W.burden.none} words=${W.burden.starts} note=${W.burden.startsNote(b.starts, b.bed_days)} />
      <${Tile} value=${time(b.acknowledge_p50_s)} words=${W.burden.ack} note=${W.burden.ackNote(time(b.acknowledge_p90_s))} />
      <${Tile} value=${percent(b.overdue_share)} words=${W.burden.overdue} note=${W.burden.overdueNote} />
      <${Tile} value=${percent(v?.ppv)} words=${W.burden.ppv} note=${v?.n ? W.burden.ppvNote(v.n, v.true, v.false, v.unsure) : W.burden.noVerdicts} />
      <${Tile} value=${percent(b.model_ppv)} words=${W.burden.model} note=${b.model_ppv_source ?? W.burden.none} />
    </div>
    <h2>${W.burden.byDay}</h2>
    <${Table} columns=${W.burden.columns} label=${W.burden.byDay}>
      ${b.by_day.map((d) => html`<tr key=${d.day}>
        <td>${d.day}</td>
        <td><span class="measure"><b>${d.starts}</b> <${Bar} share=${d.starts / most} /></span></td>
        <td>${d.overdue}</td>
      </tr>`)}
    </${Table}>`}
  </main>`;
}

/** The phase that came of an action, or why none. @param {string} text */
function outcome(text) {
  const [phase, refusal] = text.split(": ");
  return [W.phases[phase] ?? phase, W.refusal[refusal] ?? refusal].filter(Boolean).join(": ");
}

export function Audit() {
  const [query, setQuery] = useState({ since: "", patient: "", user: "" });
  const [document, error] = useLoaded("/api/audit", query);
  const search = new URLSearchParams(Object.entries(query).filter(([, v]) => v));
  const hide = (id) => (id == null ? "–" : state.privacy ? `…${id.slice(-4)}` : id);
  return html`<main class="sheet">
    <h1>${W.audit.title}</h1>
    <form
      class="filters"
      onSubmit=${(event) => {
        event.preventDefault();
        const form = Object.fromEntries(new FormData(event.target));
        setQuery({ ...form, since: form.since ? new Date(`${form.since}T00:00:00Z`).toISOString() : "" });
      }}
    >
      <label class="field inline"><span>${W.audit.since}</span><input type="date" name="since" /></label>
      <label class="field inline"><span>${W.audit.patient}</span><input name="patient" type=${state.privacy ? "password" : "text"} autocomplete="off" /></label>
      <label class="field inline"><span>${W.audit.user}</span><input name="user" autocomplete="off" /></label>
      <button>${W.audit.show}</button>
      <a class="button" href=${`/api/audit.csv${search.size ? `?${search}` : ""}`} download>${W.audit.csv}</a>
    </form>
    <${Failure} error=${error} />
    <${Table} columns=${W.audit.columns} label=${W.audit.title}>
      ${(document?.rows ?? []).map((r) => html`<tr key=${r.action_id}>
        <td>${dayTime(ms(r.time))}</td>
        <td>${r.name || r.user}</td>
        <td>${r.role}</td>
        <td>${W.actions[r.action] ?? r.action}</td>
        <td>${hide(r.patient)}</td>
        <td>${W.reasonOf(r.reason)}</td>
        <td>${r.note ?? "–"}</td>
        <td>${outcome(r.outcome)}</td>
      </tr>`)}
    </${Table}>
    ${document && document.rows.length === 0 && html`<p class="muted">${W.audit.none}</p>`}
  </main>`;
}

export function About() {
  const [burden] = useLoaded("/api/burden", { days: 7 });
  const [vendor] = useLoaded(VENDOR, {});
  const { system } = state;
  const ppv = burden?.model_ppv;
  return html`<main class="sheet about">
    <h1>${W.about.title}</h1>
    ${W.about.textOf(state.system?.outcome).map((text, i) => html`<p key=${i} class=${i === 2 ? "warning" : ""}>${text}</p>`)}
    <dl class="facts">
      <div><dt>${W.about.model}</dt><dd>${system?.model ?? "–"}</dd></div>
      <div><dt>${W.about.ppv}</dt><dd>${ppv == null ? W.about.ppvUnknown : W.about.ppvText(percent(ppv), burden.model_ppv_source ?? "?")}</dd></div>
      <div><dt>${W.about.version}</dt><dd>${system?.version ?? "–"}</dd></div>
      <div><dt>${W.about.zone}</dt><dd>${zone()}</dd></div>
    </dl>
    <h2>${W.about.keys}</h2>
    <${Keys} />
    <h2>${W.about.licences}</h2>
    <ul>
      ${(vendor?.files ?? []).filter((f) => /js$/.test(f.file)).map((f) => html`<li key=${f.name + f.file}>
        ${f.name} ${f.version}, <a href=${VENDOR.replace("manifest.json", f.licence_file)}>${f.licence}</a>
      </li>`)}
    </ul>
  </main>`;
}
