/** Time: the clock of the server (or of the log that is replayed), and how times are written. */

const clock = { server: Date.now(), local: Date.now(), zone: "UTC" };
/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** @param {?string} text @returns {?number} */
export const ms = (text) => (text == null ? null : Date.parse(text));

/** Now by the server's clock, in ms; it goes on while the board is disconnected. */
export const now = () => clock.server + (Date.now() - clock.local);

/** @param {number} server */
export function setClock(server) {
  clock.server = server;
  clock.local = Date.now();
}

/** @param {string} zone an IANA name; an unknown one leaves UTC. */
export function setZone(zone) {
  if (zone === clock.zone) return;
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: zone });
    clock.zone = zone;
    formats.clear();
  } catch {
    clock.zone = "UTC";
  }
}

export const zone = () => clock.zone;

/** @param {number} time @param {Intl.DateTimeFormatOptions} options */
function written(time, options) {
  const key = JSON.stringify(options);
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat("en-GB", { timeZone: clock.zone, hour12: false, ...options });
    formats.set(key, format);
  }
  return format.format(time);
}

/** `10:04`. @param {number} time */
export const hourMinute = (time) => written(time, { hour: "2-digit", minute: "2-digit" });
/** `10:04:12`. @param {number} time */
export const hourMinuteSecond = (time) =>
  written(time, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
/** `10:04` of today, else `Fri 27 Nov 10:04`. @param {number} time */
export function dayTime(time) {
  const day = { weekday: "short", day: "numeric", month: "short" };
  const text = written(time, day).replace(",", "");
  return text === written(now(), day).replace(",", "") ? hourMinute(time) : `${text} ${hourMinute(time)}`;
}

/** `3 min`, `2 h 05`, `3 d 4 h`; negative spans are 0. @param {number} length in ms */
export function span(length) {
  const minutes = Math.max(0, Math.floor(length / 60000));
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")}`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The shortest form of an age: `3 min`, `5 h`. @param {number} minutes */
export const shortAge = (minutes) =>
  minutes < 60 ? `${Math.max(0, Math.floor(minutes))} min` : `${Math.floor(minutes / 60)} h`;

/** `04:12`, from an hour on `1 h 04`: nothing that looks like a time of day. @param {number} length in ms */
export const timer = (length) =>
  length >= 3600e3 ? span(length) : new Date(Math.max(0, length) || 0).toISOString().slice(14, 19);
