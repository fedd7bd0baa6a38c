/**
 * Shapes of the board's JSON. Times are RFC 3339 strings in UTC; what is missing is null.
 *
 * @typedef {{variable: string, value: number, unit: string, age_minutes: number,
 *   direction: string, contribution: number}} Reason
 * @typedef {{alert_id: string, revision: number, acknowledged: number, severity: "medium"|"high",
 *   on: boolean, started: string, changed: string, ended: ?string, risk: number, threshold: number,
 *   respond_by: ?string, snoozed_until: ?string, overdue: boolean, acknowledged_by: ?string,
 *   acknowledged_time: ?string, reasons: Reason[], phase: string}} Alert
 * @typedef {{value: number, time: string, bin: number, threshold: number, positive: boolean,
 *   trend: "up"|"down"|"flat", hours_of_data: number, indeterminate: boolean}} Risk
 * @typedef {{action_id: string, phase: string, refusal: ?string}} Answer
 * @typedef {{patient: string, label: ?string, ward: ?string, bed: ?string, age: ?number,
 *   sex: ?string, admitted: ?string, discharged: ?string, partition: number, state: string,
 *   alert: ?Alert, paused: ?{reason: string, until: string, by: ?string},
 *   treated: ?{since: string}, risk: ?Risk, series: [number, number][], news2: ?number,
 *   qsofa: ?number, last: Record<string, [number, number]>, last_contact: ?string,
 *   model: ?string, answers?: Answer[]}} Card
 * @typedef {{time: string, clock: "wall"|"log", log_time: ?string, kafka: string,
 *   kafka_since: ?string, scoring: string, scoring_since: ?string, feed: string,
 *   feed_since: ?string, history: string, model: ?string, outcome: ?string, zone: string, auth: string,
 *   stale_minutes: number, privacy: boolean, sound: boolean, version: string,
 *   settings: Record<string, number>}} System
 * @typedef {{user: string, name: string, role: string, kiosk: boolean, expires: ?string}} Session
 * @typedef {{id: string, patient: string, alert_id: ?string, revision: ?number, action: string,
 *   at: number, status: "sent"|"refused", refusal?: ?string}} Pending
 * @typedef {{card: Card, state: string, severity: ?string, flash: boolean, overdue: boolean,
 *   quiet: boolean, stale: boolean, contact: ?number, pending: ?Pending, rank: number}} View
 */
export {};
