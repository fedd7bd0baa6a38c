/** The state of a card as people see it: pure functions of card and time. */
import { VITALS, W } from "./words.js";
import { hourMinute, ms, shortAge, span, timer } from "./time.js";

const ENDED_KEPT_MS = 12 * 3600e3; // an ended, unseen alert stays this long
const CONFIRM_MS = 5000; // an action that is not confirmed by then is called so
const GREY_MINUTES = 120;
const GONE_MINUTES = 360;
const OLD_MINUTES = 1440;
const VITAL_SIGNS = new Set([...Object.keys(VITALS), "sbp", "dbp", "etco2"]);

/**
 * The state of a card now. The server judges timers at the patient's next record; while the
 * patient is silent, the page counts them itself.
 * @param {import("./types.js").Card} card @param {number} now
 */
function stateAt(card, now) {
  const { alert, paused } = card;
  if (!alert && card.state !== "paused") return "none";
  const answered = () => (alert.revision > alert.acknowledged ? "open" : "acknowledged");
  if (card.state === "snoozed" && alert && ms(alert.snoozed_until) <= now) return answered();
  if (card.state === "paused" && paused?.until && ms(paused.until) <= now) {
    return alert?.on ? answered() : "none";
  }
  if (card.state === "ended_unseen" && alert?.ended && now - ms(alert.ended) > ENDED_KEPT_MS) {
    return "closed";
  }
  return card.state;
}

/**
 * @param {import("./types.js").Card} card @param {number} now
 * @param {import("./types.js").System} system
 * @param {?import("./types.js").Pending} pending
 * @returns {import("./types.js").View}
 */
export function viewOf(card, now, system, pending) {
  const { alert } = card;
  const state = stateAt(card, now);
  const shown = alert && ["open", "acknowledged", "snoozed", "paused", "ended_unseen"].includes(state);
  const severity = shown ? alert.severity : null;
  const late = !!alert && (alert.overdue || (!!alert.respond_by && ms(alert.respond_by) < now));
  const overdue = state === "open" && late;
  const information = severity === "medium" && !!card.treated;
  const contact = ms(card.last_contact);
  return {
    card,
    state,
    severity,
    overdue,
    flash: state === "open" && !information,
    quiet: information || card.paused?.reason === "comfort_care",
    stale: contact == null || now - contact > (system?.stale_minutes ?? 15) * 60e3,
    contact,
    pending,
    rank: rankOf(alert, state, late),
  };
}

/** Rank in the attention list; 99: not in it. A snooze and its end change no rank. */
function rankOf(alert, state, late) {
  if (state === "open" || state === "snoozed") {
    const answered = alert.revision <= alert.acknowledged;
    if (answered) return 7;
    return (alert.severity === "high" ? 0 : 2) + (late ? 0 : 1);
  }
  return { ended_unseen: 4, paused: 5, acknowledged: 7 }[state] ?? 99;
}

/** @param {import("./types.js").View[]} views the attention list, most urgent first */
export function attention(views) {
  return views
    .filter((v) => v.rank < 99)
    .sort((a, b) => a.rank - b.rank || changed(b) - changed(a) || byBed(a.card, b.card));
}

const changed = (view) => ms(view.card.alert?.changed) ?? 0;

const collator = new Intl.Collator("en", { numeric: true });
/** Fixed order: ward, bed (2 before 10), patient. */
export function byBed(a, b) {
  return (
    collator.compare(a.ward ?? "~", b.ward ?? "~") ||
    collator.compare(a.bed ?? "~", b.bed ?? "~") ||
    collator.compare(a.patient, b.patient)
  );
}

/** @param {import("./types.js").View} view @param {number} now */
export function stateLine(view, now) {
  const { card, state, pending } = view;
  const { alert } = card;
  if (pending) {
    const what = W.actions[pending.action].toLowerCase();
    if (pending.status === "refused") {
      return W.state.refused(W.refusal[pending.refusal] ?? pending.refusal ?? "");
    }
    return Date.now() - pending.at >= CONFIRM_MS ? W.state.unconfirmed(what) : W.state.sent(what);
  }
  switch (state) {
    case "open":
      if (view.overdue) {
        return W.state.overdue(timer(now - (ms(alert.respond_by) ?? ms(alert.changed))));
      }
      return W.state.open(timer(now - ms(alert.changed)));
    case "acknowledged":
      return W.state.acknowledged(
        alert.acknowledged_by ?? "",
        alert.acknowledged_time ? hourMinute(ms(alert.acknowledged_time)) : "",
      );
    case "snoozed":
      return W.state.snoozed(timer(ms(alert.snoozed_until) - now));
    case "paused":
      return W.state.paused(W.pauseReasons[card.paused?.reason] ?? card.paused?.reason ?? "");
    case "ended_unseen":
      return W.state.ended(alert.ended ? hourMinute(ms(alert.ended)) : "");
    default:
      return W.noAlert;
  }
}

/** Whether a value is shown as old: a vital sign after 2 hours, any other value after a day. */
export const isOld = (variable, minutes) =>
  minutes > (VITAL_SIGNS.has(variable) ? GREY_MINUTES : OLD_MINUTES);

/** The vital signs of a card: text, age and how old they look. */
export function vitalsOf(card, now) {
  const since = card.risk ? (now - ms(card.risk.time)) / 60e3 : 0;
  return Object.entries(VITALS).map(([variable, [name, unit, decimals]]) => {
    const last = card.last?.[variable];
    const age = last ? last[1] + Math.max(0, since) : null;
    if (!last || last[0] == null || age > GONE_MINUTES) {
      return { variable, name, unit, text: "–", age: last ? shortAge(age) : W.never, old: true };
    }
    const text = last[0].toFixed(decimals) + (age > GREY_MINUTES ? "?" : "");
    return { variable, name, unit, text, age: shortAge(age), old: age > GREY_MINUTES };
  });
}

/** @param {?number} value a probability */
export const riskText = (value) =>
  value == null ? "–" : value >= 0.1 ? value.toFixed(2) : value > 0 && value < 0.0005 ? "<0.001" : value.toFixed(3);

/** `antibiotic 3 h 20`. */
export const treatedText = (card, now) =>
  W.antibiotic(card.treated.since ? span(now - ms(card.treated.since)) : "").trim();

export const bedText = (card) => (card.bed ? `${W.bed} ${card.bed}` : W.noBed);

/** What names the patient; with privacy only the end of the id. */
export function nameFor(card, privacy) {
  const tail = `…${card.patient.slice(-4)}`;
  if (privacy) return { label: tail, id: tail };
  const id = card.patient.length > 14 ? `…${card.patient.slice(-8)}` : card.patient;
  return { label: card.label || id, id };
}

/** `67 y F`. */
export const particulars = (card) =>
  [card.age == null ? "" : W.years(card.age), W.sex[card.sex] ?? ""].filter(Boolean).join(" ");

/** The words of a band: `*** HIGH`. */
export const bandText = (severity) => `${W.stars[severity]} ${W.severity[severity]}`;

/** A patient whose alert may be acknowledged. */
export const answerable = (view) =>
  !!view?.card.alert &&
  view.card.alert.revision > view.card.alert.acknowledged &&
  !["closed", "none"].includes(view.state);

/** Whether an action that was sent shows in the card. */
export function confirmed(pending, card) {
  const answer = card.answers?.find((a) => a.action_id === pending.id);
  if (answer) return answer.phase === "refused" ? "refused" : "yes";
  const { alert } = card;
  const same = alert && alert.alert_id === pending.alert_id;
  const shows = {
    acknowledge: () => same && alert.acknowledged >= pending.revision,
    unacknowledge: () => same && alert.acknowledged < pending.revision,
    snooze: () => same && !!alert.snoozed_until,
    resume: () => same && !alert.snoozed_until,
    pause: () => !!card.paused,
    unpause: () => !card.paused,
    feedback: () => !card.answers, // Only an answer shows a verdict.
  }[pending.action];
  return shows?.() ? "yes" : "no";
}
