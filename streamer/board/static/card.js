/** A card: all that is known of one patient at a glance, each number with its age. */
import { Component, html } from "./vendor/htm-preact-3.1.1.module.js";
import { Shape, Spark } from "./shapes.js";
import { state } from "./store.js";
import { ms, now, span } from "./time.js";
import { bandText, bedText, nameFor, particulars, riskText, stateLine, vitalsOf } from "./view.js";
import { W, reasonText } from "./words.js";

export const Technical = () => html`<span class="technical"><${Shape} kind="technical" /> ${W.technical}</span>`;

/** The band of severity, of missing data or of neither; `both`: where there is room for both. */
export function Band({ view, time, both = true }) {
  const { card, severity, stale } = view;
  return html`
    ${severity &&
    html`<span class="severity"><${Shape} kind=${severity} /> ${bandText(severity)}</span>
      ${!(stale && both) &&
      html`<span class="since">
        ${view.state === "ended_unseen" ? W.endedBand : span(time - ms(card.alert.started))}
      </span>`}`}
    ${stale && (both || !severity) && html`<${Technical} />`}
  `;
}

/** Risk, limit and trend; a stale one is `?`, too little data say so. */
function RiskLine({ view }) {
  const { card, severity, stale } = view;
  const { risk } = card;
  if (stale) {
    return html`<p class="risk"><b>?${severity && html` <${Technical} />`}</b><small>${W.noDataFor(view.contact ? span(now() - view.contact) : "")}</small></p>`;
  }
  if (!risk || risk.indeterminate) {
    return html`<p class="risk">
      <b class="words">${risk ? W.indeterminate : W.noRisk}</b>${risk && html`<small>${W.tooFew}</small>`}
    </p>`;
  }
  const [arrow, word] = W.trend[risk.trend];
  return html`<p class="risk">
    <b>${riskText(risk.value)} <span role="img" aria-label=${word}>${arrow}</span></b>
    ${risk.threshold != null && html`<small>${W.alertAbove(riskText(risk.threshold))}</small>`}
  </p>`;
}

/**
 * A card is drawn again when it or its state changes, and for its ages every five seconds:
 * 60 cards a second would keep a small computer busy.
 * @extends {Component<{view: import("./types.js").View, first: boolean}>}
 */
export class Card extends Component {
  shouldComponentUpdate({ view, first }) {
    const drawn = this.drawn;
    this.drawn = [view.card, signature(view), first];
    return !drawn || drawn.some((part, i) => part !== this.drawn[i]);
  }
  render({ view, first }) {
    return html`<${Face} view=${view} first=${first} />`;
  }
}

const signature = (view) =>
  [stateLine(view, now()), view.flash, view.stale, view.severity, state.privacy, state.find, Math.floor(now() / 5000)].join();

function Face({ view, first }) {
  const { card, severity, stale } = view;
  const time = now();
  const name = nameFor(card, state.privacy);
  const reason = card.alert?.reasons?.[0];
  const line = stateLine(view, time);
  const classes = ["card", severity ?? "calm", `is-${view.state}`];
  if (view.flash) classes.push("flash");
  if (stale) classes.push("stale");
  if (view.overdue) classes.push("overdue");
  if (view.pending) classes.push("pending");
  const needle = state.find.trim().toLowerCase();
  const match = needle && matches(card, needle);
  if (match) classes.push("match");
  return html`<article
    class=${classes.join(" ")}
    data-patient=${card.patient.slice(-4)}
    ref=${(element) => element && (element.patient = card.patient)}
    tabindex=${first ? 0 : -1}
    aria-label=${[bedText(card), name.label, severity && W.severity[severity],
      stale && `${W.technical} ${W.noData}`, line].filter(Boolean).join(", ")}
  >
    <header>
      <b class="bed">${card.bed ?? "–"}</b>
      <${Band} view=${view} time=${time} both=${false} />
    </header>
    <div class="who">
      <span class="label">${name.label}</span>
      <span class="muted">${particulars(card)}</span>
      ${card.treated && html`<span class="mark">℞ ${W.antibiotic("")}</span>`}
    </div>
    <div class="now">
      <${RiskLine} view=${view} />
      <${Spark} series=${card.series} threshold=${card.risk?.threshold} />
      <p class="score"><small>${W.news2}</small><b>${stale ? "?" : (card.news2 ?? "–")}</b></p>
    </div>
    <dl class="vitals">
      ${vitalsOf(card, time).map(
        (v) => html`<div class=${v.old ? "old" : ""}>
          <dt>${v.name}</dt>
          <dd><b>${v.text}</b><small>${v.age}</small></dd>
        </div>`,
      )}
    </dl>
    <p class="reason">${severity && reason ? reasonText(reason) : " "}</p>
    <footer>
      <span class="state">${line}</span>
      <span class="contact">${W.lastContact(view.contact ? span(time - view.contact) : W.never)}</span>
    </footer>
  </article>`;
}

/** Whether a card is searched for; with privacy on, only its bed is. */
export const matches = (card, needle) =>
  (card.bed ?? "").toLowerCase() === needle ||
  (!state.privacy && `${card.label ?? ""} ${card.patient}`.toLowerCase().includes(needle));
