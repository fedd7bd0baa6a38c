/** Shapes that go with the words of a priority: octagon, triangle, square; and the sparkline. */
import { html } from "./vendor/htm-preact-3.1.1.module.js";
import { now } from "./time.js";

const PATHS = {
  high: "M7 1h10l6 6v10l-6 6H7l-6-6V7z",
  medium: "M12 2 23 22H1z",
  technical: "M2 2h20v20H2z",
};

/** @param {{kind: "high"|"medium"|"technical"}} props */
export const Shape = ({ kind }) => html`
  <svg class="shape" viewBox="0 0 24 24" aria-hidden="true">
    <path d=${PATHS[kind]} />
    <path class="mark" d=${kind === "technical" ? "M7 12h10" : "M12 8v7M12 18v1.5"} />
  </svg>
`;

/** A bar of a share from 0 to 1; the number stands beside it. */
export const Bar = ({ share }) => html`<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
  <rect class="all" width="100" height="6" /><rect width=${100 * Math.max(0, share)} height="6" />
</svg>`;

const DAY_MS = 24 * 3600e3;
const TOP = 0.5; // Risks above are drawn at the top: alerts lie far below.

/** 24 hours of risk and the limit of alerts, 100 by 30. */
export function Spark({ series, threshold }) {
  if (!series?.length) return html`<svg class="spark" viewBox="0 0 100 30" aria-hidden="true" />`;
  const end = Math.max(now(), series.at(-1)[0]);
  const top = Math.max(TOP, ...series.map((p) => p[1]));
  const y = (risk) => (29 - (risk / top) * 28).toFixed(1);
  const points = series
    .filter(([time]) => end - time <= DAY_MS)
    .map(([time, risk]) => `${(100 - ((end - time) / DAY_MS) * 100).toFixed(1)},${y(risk)}`);
  return html`
    <svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
      ${threshold != null && html`<path class="limit" d=${`M0 ${y(threshold)}H100`} />`}
      <polyline points=${points.join(" ")} />
    </svg>
  `;
}
