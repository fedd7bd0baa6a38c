"""Tables of the measurements, as the Markdown of the README."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from bench.comparison import Comparison, Row
from bench.latency import Latency
from bench.measurement import Measurement

_WORKS: Final = {
    "before": "the tree before",
    "same": "the same work",
    "light": "less work",
}
_LONGEST_REASON: Final = 120
_MIB: Final = 2**20


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """A row for each engine with its rates on all loads, and ours over the best peer."""
    titles = [comparison.title for comparison in comparisons]
    lines = [
        "| engine | after a crash | state | "
        + " | ".join(f"{t}: events per CPU second | events/s" for t in titles)
        + " | resident | a risk for each |",
        "|---" * (5 + 2 * len(titles)) + "|",
    ]
    for rows in zip(*(comparison.rows for comparison in comparisons), strict=True):
        engine = rows[0].engine
        cells = [engine.name, engine.delivery, engine.state]
        for row in rows:
            cells += _rates(row)
        cells += [_resident(rows), _exactness(rows)]
        lines.append("| " + " | ".join(cells) + " |")
    works = [w for w in _WORKS if any(row.engine.work == w for c in comparisons for row in c.rows)]
    ratios = [_ratio(c, work) for c in comparisons for work in works if c.has_run(work)]
    return "\n".join([*lines, "", *ratios])


def latency_table(latencies: Sequence[tuple[int, str, Latency]]) -> str:
    """Latency from event to risk and from event to alert, by rate and service."""
    lines = [
        "| events/s | service | event to risk p50 | p99 | event to alert p50 | p99 |",
        "|---" * 6 + "|",
    ]
    for rate, service, took in latencies:
        cells = [f"{rate:,}", service]
        for times in (took.risk_ms, took.alert_ms):
            cells += (
                [f"{quantile:.0f} ms" for quantile in np.percentile(times, [50, 99])]
                if len(times)
                else ["none came", ""]
            )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def stages_line(title: str, measure: Measurement) -> str:
    """The service's time as shares of its stages."""
    total = sum(measure.stages.values())
    named = sorted(measure.stages.items(), key=lambda stage: -stage[1])
    shares = ", ".join(f"{stage} {seconds / total:.0%}" for stage, seconds in named)
    return f"- {title}: {shares}"


def _rates(row: Row) -> list[str]:
    if not row.measurements:
        first_line = " ".join(row.failure.split())
        reason = first_line if len(first_line) <= _LONGEST_REASON else first_line[:_LONGEST_REASON]
        return [reason.replace("|", "/"), "-"]
    return [f"{row.per_cpu_second:,.0f} ± {row.spread:.0%}", f"{row.per_second:,.0f}"]


def _resident(rows: Sequence[Row]) -> str:
    sizes = [one.resident_bytes for row in rows for one in row.measurements]
    return f"{max(sizes) / _MIB:,.0f} MiB" if sizes else "-"


def _exactness(rows: Sequence[Row]) -> str:
    measurements = [one for row in rows for one in row.measurements]
    if not measurements:
        return "-"
    difference = max(row.difference for row in rows)
    if all(one.is_exact for one in measurements):
        return f"yes, {difference:.0e} from ours" if difference else "yes"
    named = ("missing", "repeated", "unexpected")
    counts = {name: sum(getattr(one, name) for one in measurements) for name in named}
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _ratio(comparison: Comparison, work: str) -> str:
    head = f"- {comparison.title}, {_WORKS[work]}: "
    if not comparison.ours.measurements or comparison.best_peer(work, _by_cpu) is None:
        return f"{head}nothing to compare"
    ratios = []
    for rate, by in ((_by_cpu, "per CPU second"), (_by_clock, "by the clock")):
        best = comparison.best_peer(work, rate)
        assert best is not None
        ratios.append(f"{rate(comparison.ours) / rate(best):.2f} {by} ({best.engine.name})")
    other = "it" if work == "before" else "the best peer"
    return f"{head}ours over {other} {' and '.join(ratios)}"


def _by_cpu(row: Row) -> float:
    return row.per_cpu_second


def _by_clock(row: Row) -> float:
    return row.per_second
