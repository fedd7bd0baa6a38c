/** Sound: off by default. High: three tones, again each minute while unanswered; medium: once. */
import { state } from "./store.js";

const AGAIN_MS = 60000;
/** @type {?AudioContext} */
let context = null;
/** @type {Set<string>} alert and revision that were heard */
const heard = new Set();
let lastHigh = 0;

/** A browser lets a page sound only after a click or key: call it in one. */
export function wakeSound() {
  context ??= new AudioContext();
  void context.resume();
}

/** @param {number[]} tones in Hz */
function play(tones, severity) {
  document.dispatchEvent(new CustomEvent("vigil-tone", { detail: severity }));
  if (!context) return;
  const start = context.currentTime + 0.02;
  tones.forEach((hertz, i) => {
    const at = start + i * 0.28;
    const oscillator = new OscillatorNode(context, { frequency: hertz, type: "triangle" });
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(0.4, at + 0.03); // Without a ramp it clicks.
    gain.gain.linearRampToValueAtTime(0, at + 0.22);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(at);
    oscillator.stop(at + 0.25);
  });
}

/** Sound what is due. @param {import("./types.js").View[]} views */
export function soundTick(views) {
  if (!state.sound) return;
  const sounding = views.filter((v) => v.flash && !v.quiet);
  const fresh = (severity) =>
    sounding.filter((v) => v.severity === severity && !heard.has(keyOf(v)));
  const high = sounding.some((v) => v.severity === "high");
  const newHigh = fresh("high");
  const newMedium = fresh("medium");
  [...newHigh, ...newMedium].forEach((v) => heard.add(keyOf(v)));
  if (newHigh.length) state.mutedUntil = 0; // It breaks a mute.
  if (state.mutedUntil > Date.now()) return;
  if (newHigh.length || (high && Date.now() - lastHigh >= AGAIN_MS)) {
    lastHigh = Date.now();
    play([988, 784, 988], "high");
  } else if (newMedium.length) {
    play([523], "medium");
  }
}

const keyOf = (view) => `${view.card.alert.alert_id} ${view.card.alert.revision}`;
