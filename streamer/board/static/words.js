/** All words of the board, in one place: to translate it, translate this file. */

const SEPSIS = "sepsis";

/** Ends an outcome that is of the whole stay: such a risk has no horizon. */
const IN_THIS_STAY = " in this stay";

/** Whether the model in force tells the risk of sepsis, as far as is known. */
const isSepsis = (outcome) => (outcome ?? SEPSIS) === SEPSIS;

export const W = {
  product: "Vigil",
  notDevice: "Not a medical device",
  connecting: "Connecting to the board…",
  screens: {
    ward: "Ward", alerts: "Alerts", handover: "Handover", burden: "Burden", audit: "Audit",
    about: "About",
  },
  allWards: "All wards",
  ward: "Ward",
  beds: (n) => (n === 1 ? "1 bed" : `${n} beds`),
  overdue: (n) => `${n} overdue`,
  noDataCount: (n) => `${n} no data`,
  find: "Find bed, name",
  found: (n) => (n === 1 ? "1 match" : `${n} matches`),
  model: "model",
  soundOff: "Sound: off",
  soundOn: "Sound: on",
  audioPaused: (left) => `AUDIO PAUSED ${left}`,
  privacyOn: "Privacy: on",
  privacyOff: "Privacy: off",
  dark: "Dark theme",
  light: "Light theme",
  logOut: "Log out",
  help: "Keys",
  helpButton: "?",
  whoAreYou: "Who are you?",
  severity: { high: "HIGH", medium: "MEDIUM" },
  stars: { high: "***", medium: "**" },
  technical: "TECHNICAL",
  noData: "no data",
  noDataFor: (span) => `no data ${span}`,
  never: "never",
  endedBand: "ended",
  alertAbove: (value) => `alert above ${value}`,
  noAlert: "No alert",
  indeterminate: "indeterminate",
  tooFew: "too few values",
  noRisk: "no risk yet",
  risk: "Risk",
  news2: "NEWS2",
  qsofa: "qSOFA",
  trend: { up: ["↗", "rising"], down: ["↘", "falling"], flat: ["→", "steady"] },
  lastContact: (span) => `last contact ${span}`,
  antibiotic: (span) => `antibiotic ${span}`,
  bed: "Bed",
  noBed: "no bed",
  years: (n) => `${Math.round(n)} y`,
  sex: { female: "F", male: "M", other: "X", unknown: "" },
  state: {
    open: (t) => `OPEN for ${t}`,
    overdue: (t) => `OVERDUE by ${t}`,
    acknowledged: (by, at) => `ACKNOWLEDGED ${by} ${at}`,
    snoozed: (left) => `SNOOZED ${left} left`,
    paused: (reason) => `ALARM PAUSED ${reason}`,
    ended: (at) => `ENDED NOT SEEN ${at}`,
    sent: (what) => `SENT ${what}`,
    unconfirmed: (what) => `SENT NOT CONFIRMED ${what}`,
    refused: (why) => `REFUSED ${why}`,
  },
  stateWord: {
    open: "open", acknowledged: "acknowledged", snoozed: "snoozed", paused: "paused",
    ended_unseen: "ended, not seen", closed: "closed", none: "none",
  },
  attention: "Attention",
  attentionNone: "No alert needs attention.",
  attentionNote: "No alert does not mean that nobody is ill.",
  noPatients: "No patients in this ward.",
  announce: (severity, bed) => `${severity} alert, bed ${bed}`,
  actions: {
    acknowledge: "Acknowledge", unacknowledge: "Take back acknowledgement", snooze: "Snooze",
    resume: "End snooze", pause: "Pause patient", unpause: "End pause", feedback: "Was it right?",
  },
  dialog: {
    acknowledge: "Acknowledge this alert?",
    unacknowledge: "Take the acknowledgement back?",
    snooze: "Snooze this alert?",
    resume: "End the snooze?",
    pause: "Pause alarms of this patient?",
    unpause: "End the pause?",
    feedback: "Was this alert right?",
    nothing: "No alert to answer",
    nothingNote: "This bed has no alert that waits for an answer.",
    minutes: "How long",
    reason: "Reason (choose one)",
    note: "Note (not needed)",
    verdict: "Verdict (choose one)",
    user: "User",
    pin: "PIN",
    cancel: "Cancel",
    close: "Close",
    risen: "THE ALERT HAS RISEN while this was open. Nothing was sent. Read it, then confirm again:",
    another: "THIS IS ANOTHER ALERT than the one you opened. Nothing was sent. Confirm again:",
    ended: "The alert has ended meanwhile.",
    gone: "The patient has left the board.",
    withdrawn: "replaced by the button below",
    pauseNote: "A HIGH alert breaks through a pause. Nothing is deleted.",
    comfortNote: "In comfort care a HIGH alert is shown, without sound.",
    snoozeNote: "A rise ends the snooze.",
    failed: (why) => `NOT SENT: ${why}`,
    pickBed: "Alert",
  },
  errors: {
    offline: "the board does not answer",
    kafka_away: "Kafka is away; try again",
    alert: "this alert is not known any more",
    wrong_pin: "user or PIN is wrong",
    pin_locked: "too many tries; wait 5 minutes",
    role: "your role may not do this",
    history_unavailable: "The history is unavailable just now. The rest of the board lives.",
    missing: "This patient is not on the board.",
  },
  refusal: {
    unknown_alert: "unknown alert", not_last_alert: "a newer alert exists", too_long: "too long",
    not_snoozed: "was not snoozed", not_paused: "was not paused",
  },
  snoozeReasons: {
    at_bedside: "At the bedside", awaiting_results: "Awaiting results",
    doctor_informed: "Doctor informed", known_cause: "Known cause",
    device_or_artefact: "Device or artefact",
  },
  pauseReasons: {
    treated: "treated", comfort_care: "comfort care", known_cause: "known cause",
    procedure: "procedure",
  },
  reasonOf: (reason) =>
    W.snoozeReasons[reason] ?? W.pauseReasons[reason] ?? W.feedbackReasonsOf()[reason] ?? reason ?? "–",
  verdictsOf: (outcome) => ({
    true: `Right: ${outcome ?? SEPSIS}`, false: isSepsis(outcome) ? "Wrong: no sepsis" : "Wrong", unsure: "Unsure",
  }),
  feedbackReasonsOf: (outcome) => ({
    ...(isSepsis(outcome) && {
      sepsis_treated: "Sepsis, being treated", sepsis_suspected: "Sepsis suspected",
      other_infection: "Infection without sepsis",
    }),
    other_cause: "Another cause", artefact: "Artefact or wrong value", too_late: "Came too late",
    cannot_tell: "Cannot tell",
  }),
  phases: {
    start: "started", escalate: "rose", end: "ended", acknowledge: "acknowledged",
    unacknowledge: "acknowledgement taken back", snooze: "snoozed", resume: "back to open",
    pause: "alarms paused", unpause: "pause ended", overdue: "overdue, nobody answered",
    feedback: "verdict", refused: "refused",
  },
  direction: {
    high: "high", low: "low", rising: "rising", falling: "falling", normal: "in range",
    timing: "how often measured",
  },
  minutes: (n) => (n < 60 ? `${n} min` : n % 60 ? `${Math.floor(n / 60)} h ${n % 60} min` : `${n / 60} h`),
  banner: {
    disconnected: (since) => `BOARD DISCONNECTED since ${since}`,
    disconnectedNote: "What you see is old. Look at the patients.",
    kafka: (since) => `KAFKA AWAY since ${since}`,
    kafkaNote: "No new values, alerts or acknowledgements.",
    scoring: (since) => `SCORING STOPPED since ${since}`,
    scoringNote: "Values arrive, but no risk is computed.",
    feed: (since) => `NO DATA FROM THE FEED since ${since}`,
    feedNote: "No patient sends values.",
    unverified: "Nobody logs in here: names of users are not verified.",
    replay: "Replay or simulation: times are its own, not those of this room.",
  },
  patient: {
    back: "Back to the ward",
    values: "Last values",
    reasons: "Reasons of this alert",
    reasonsAt: (at) => `as of ${at}`,
    ageThen: (age) => `${age} old then`,
    noReasons: "No alert, no reasons.",
    history: "Who did what",
    noHistory: "No alert in the last 48 hours.",
    riskChart: "Risk, 48 hours",
    variable: "Value",
    age: "Age",
    limits: "Usual",
    oldNote: "Grey with ?: a vital sign older than 2 hours, any other value older than 24.",
    above: "above",
    below: "below",
    shaded: "Shaded: an alert was on.",
    limitLine: "alert limit",
    admitted: (at) => `admitted ${at}`,
    chart: (name, last) => `${name}, last 48 hours; last value ${last}`,
    by: (name) => `by ${name}`,
    viewer: "Your role may look, not act.",
    nothing: "no alert to answer",
  },
  alerts: {
    title: "Alerts",
    hours: "Last",
    severity: "Severity",
    state: "State",
    any: "any",
    none: "No alert matches.",
    columns: ["Bed", "Patient", "Severity", "Started", "Ended", "State", "Answered", "Risk", "First reason"],
    still: "still on",
    since: (at) => `since ${at}`,
  },
  handover: {
    title: "Handover, last 12 hours",
    print: "Print",
    printed: (at) => `Printed ${at}`,
    quiet: "no alert in 12 h",
    unknown: "alerts unknown",
    footer: "Vigil helps to look; it does not diagnose. Not a medical device.",
  },
  burden: {
    title: "Burden of alerts",
    days: "Days",
    starts: "alerts per bed and day",
    startsNote: (n, bedDays) => `${n} alerts in ${bedDays} bed-days`,
    ack: "to acknowledge, median",
    ackNote: (t) => `nine of ten within ${t}`,
    overdue: "answered too late",
    overdueNote: "share of alerts that were overdue",
    ppv: "of judged alerts were right",
    ppvNote: (n, t, f, u) => `${n} verdicts: ${t} right, ${f} wrong, ${u} unsure`,
    noVerdicts: "no verdicts yet",
    model: "of alerts were right in the model's own test",
    byDay: "By day",
    columns: ["Day", "Alerts", "Overdue"],
    none: "–",
  },
  audit: {
    title: "Audit",
    since: "Since",
    patient: "Patient",
    user: "User",
    show: "Show",
    csv: "Save as CSV",
    columns: ["Time", "User", "Role", "Action", "Patient", "Reason", "Note", "Outcome"],
    none: "No action matches.",
  },
  about: {
    title: "About Vigil",
    textOf: (outcome) => [
      ...(isSepsis(outcome) ? [
        "Vigil watches the values of each patient and estimates the risk that sepsis begins within six hours or has begun.",
        "An alert is a reason to look at the patient. It is not a diagnosis. Most alerts are not followed by sepsis, and sepsis can begin without an alert.",
      ] : [
        outcome.endsWith(IN_THIS_STAY)
          ? `Vigil watches the values of each patient and estimates the risk of this outcome: ${outcome}.`
          : `Vigil watches the values of each patient and estimates a risk within six hours: ${outcome}.`,
        "An alert is a reason to look at the patient. It is not a diagnosis. It may be wrong, and what it warns of can come without an alert.",
      ]),
      "Vigil is not a medical device. It must not be used to decide on treatment.",
    ],
    model: "Model",
    ppv: "Right alerts",
    ppvText: (value, source) => `${value} of alerts are expected to be right (${source}).`,
    ppvUnknown: "unknown",
    version: "Version",
    keys: "Keys",
    licences: "Licences",
    zone: "Times are in",
  },
  keys: [
    ["← ↑ → ↓", "move from card to card"],
    ["Enter", "open the patient; in a dialog, confirm"],
    ["a", "acknowledge the focused card, then Enter"],
    ["s", "snooze"],
    ["/", "find a bed or name"],
    ["m", "mute sound for 2 minutes"],
    ["p", "privacy: hide names"],
    ["?", "these keys"],
    ["Esc", "close; it never sends anything"],
  ],
  login: {
    user: "User",
    password: "Password",
    kiosk: "This is a wall screen (stays logged in, can only look)",
    submit: "Log in",
    wrong: "User or password is wrong.",
    many: "Too many tries. Wait a minute.",
    failed: "The board does not answer.",
  },
};

/** Variables of the cards: short name, unit, decimals. */
export const VITALS = {
  heart_rate: ["HR", "/min", 0],
  map: ["MAP", "mmHg", 0],
  resp_rate: ["RR", "/min", 0],
  spo2: ["SpO2", "%", 0],
  temperature: ["Temp", "°C", 1],
};

/** Names of variables in sentences; the others show their own name without underscores. */
const NAMES = {
  heart_rate: "heart rate", map: "mean pressure", sbp: "systolic pressure",
  dbp: "diastolic pressure", resp_rate: "respiratory rate", spo2: "SpO2", etco2: "end-tidal CO2",
  fio2: "FiO2", ph: "pH", paco2: "PaCO2", sao2: "SaO2", ast: "AST", bun: "urea nitrogen",
  wbc: "white cells", ptt: "PTT", troponin_i: "troponin I", hematocrit: "haematocrit",
  hemoglobin: "haemoglobin", bilirubin_total: "total bilirubin", bilirubin_direct: "direct bilirubin",
};

/** Decimals of variables that are not shown with one. */
const DECIMALS = {
  heart_rate: 0, map: 0, sbp: 0, dbp: 0, resp_rate: 0, spo2: 0, etco2: 0, sao2: 0, paco2: 0,
  platelets: 0, glucose: 0, ast: 0, alkaline_phosphatase: 0, bun: 0, fibrinogen: 0, ph: 2,
  fio2: 2, troponin_i: 2, creatinine: 2,
};

/** UCUM codes that people write otherwise. */
const UNITS = {
  Cel: "°C", "mm[Hg]": "mmHg", "[pH]": "", 1: "", "10*3/uL": "10³/µL",
};

/** @param {string} variable */
export const nameOf = (variable) => NAMES[variable] ?? variable.replaceAll("_", " ");
/** @param {string} unit */
export const unitOf = (unit) => UNITS[unit] ?? unit ?? "";
/** @param {string} variable @param {number} value */
export const valueOf = (variable, value) =>
  value == null ? "–" : value.toFixed(DECIMALS[variable] ?? 1);
/** @param {import("./types.js").Reason} reason */
export const reasonText = (reason) =>
  `${nameOf(reason.variable)} ${valueOf(reason.variable, reason.value)} ${unitOf(reason.unit)}`.trim() +
  `, ${W.direction[reason.direction] ?? reason.direction}`;
