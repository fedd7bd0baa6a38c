/** Curves of 48 hours, drawn by uPlot: alerts shaded, the limit dashed, the cursor shared. */
import { html, useLayoutEffect, useRef } from "./vendor/htm-preact-3.1.1.module.js";
import { state } from "./store.js";
import { dayTime, hourMinute, zone } from "./time.js";
import { W } from "./words.js";

const SPAN_MS = 48 * 3600e3;
const HOUR_MS = 3600e3;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Shade the time in which an alert was on, in the colour of its severity. */
function shade(plot, spans) {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const { start, end, severity } of spans) {
    const x0 = Math.max(bbox.left, plot.valToPos(start, "x", true));
    const x1 = Math.min(bbox.left + bbox.width, plot.valToPos(end, "x", true));
    if (x1 <= x0) continue;
    ctx.fillStyle = colour(severity === "high" ? "--shade-high" : "--shade-medium");
    ctx.fillRect(x0, bbox.top, x1 - x0, bbox.height);
  }
  ctx.restore();
}

function dash(plot, limit) {
  if (limit == null) return;
  const { ctx, bbox } = plot;
  const y = plot.valToPos(limit, "y", true);
  ctx.save();
  ctx.strokeStyle = colour("--text");
  ctx.lineWidth = 2;
  ctx.setLineDash([6, 5]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

/**
 * @param {{name: string, unit: string, lines: {label: string, points: [number, number][],
 *   colour: string}[], spans: {start: number, end: number, severity: string}[], end: number,
 *   decimals?: number, limit?: number, floor?: number, ceiling?: number, height: number,
 *   times?: boolean}} props points are (ms, value); `times`: write the hours below
 */
export function Chart(props) {
  const { name, unit, lines, end, decimals = 0, height, times = false } = props;
  const box = useRef(null);
  const readout = useRef(null);
  const current = useRef(props);
  const plot = useRef(null);
  current.current = props;
  const data = uPlot.join(lines.map((l) => [l.points.map((p) => p[0]), l.points.map((p) => p[1])]));
  const newest = lines.map((l) => l.points.at(-1)?.[1]).filter((v) => v != null);
  const written = (values) => values.map((v) => (v == null ? "–" : v.toFixed(decimals))).join(" / ");
  const lastText = newest.length ? `${written(newest)} ${unit}`.trim() : "–";
  const key = `${state.theme} ${zone()} ${lines.length}`;

  useLayoutEffect(() => {
    const element = box.current;
    const muted = colour("--muted");
    const grid = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: muted, grid, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const chart = new uPlot(
      {
        width: element.clientWidth || 300,
        height,
        ms: 1,
        tzDate: (time) => uPlot.tzDate(new Date(time), zone()),
        // Room for half a number at the top, for half a time at the right.
        padding: [10, 20, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: "patient" }, drag: { x: false, y: false }, points: { size: 7 } },
        scales: {
          x: { time: true, range: () => [current.current.end - SPAN_MS, current.current.end] },
          y: {
            range: (u, low, high) => {
              const { floor, ceiling } = current.current;
              const margin = Math.max(0.5, (high - low) * 0.12);
              return [floor ?? low - margin, Math.max(ceiling ?? -Infinity, ceiling == null ? high + margin : high * 1.08)];
            },
          },
        },
        axes: [
          {
            ...axis,
            size: times ? 26 : 4,
            gap: 4,
            incrs: [6, 12, 24].map((n) => n * HOUR_MS),
            values: (u, splits) => splits.map((t) => (times ? hourMinute(t) : "")),
          },
          { ...axis, size: 44, gap: 4, space: 28 },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            stroke: colour(line.colour),
            width: 2,
            spanGaps: true,
            points: { show: true, size: 4, fill: colour(line.colour) },
          })),
        ],
        hooks: {
          drawClear: [(u) => shade(u, current.current.spans)],
          draw: [(u) => dash(u, current.current.limit)],
          setCursor: [
            (u) => {
              const { idx } = u.cursor;
              if (!readout.current || idx == null) return;
              const values = u.data.slice(1).map((column) => column[idx]);
              const shown = values.map((v) => (v == null ? "–" : v.toFixed(decimals))).join(" / ");
              readout.current.textContent = `${shown} ${unit} · ${dayTime(u.data[0][idx])}`;
            },
          ],
        },
      },
      data,
      element,
    );
    plot.current = chart;
    const watcher = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width && width !== chart.width) chart.setSize({ width, height });
    });
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [key]);

  const signature = `${JSON.stringify(data)} ${Math.round(end / 60000)} ${props.limit} ${JSON.stringify(props.spans)}`;
  useLayoutEffect(() => plot.current?.setData(data), [signature]);

  return html`<figure class="chart" role="img" aria-label=${W.patient.chart(name, lastText)}>
    <figcaption>
      <b>${name}</b>
      ${lines.length > 1 &&
      lines.map((line) => html`<span key=${line.label} class=${`key ${line.colour.slice(2)}`}>${line.label}</span>`)}
      <span class="muted" ref=${readout}>${lastText}</span>
    </figcaption>
    <div class="plot" ref=${box}></div>
  </figure>`;
}
