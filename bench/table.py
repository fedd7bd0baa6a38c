"""What was measured, as the Markdown of the README."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from bench.comparison import Comparison, Row
from bench.latency import Latency
from bench.race import Measurement

_WORKS: Final = {"same": "the same work", "light": "less work"}
_LONGEST_REASON: Final = 120
_MIB: Final = 2**20


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """All engines beside each other, on all loads, and ours over the best peer."""
    titles = [comparison.title for comparison in comparisons]
    lines = [
        "| engine | after a crash | state | "
        + " | ".join(f"{t}: events per CPU second | events/s" for t in titles)
        + " | resident | a risk for each |",
        "|---" * (5 + 2 * len(titles)) + "|",
    ]
    for rows in zip(*(comparison.rows for comparison in comparisons), strict=True):
        who = rows[0].contestant
        cells = [who.name, who.promise, who.keeps]
        for row in rows:
            cells += _rates(row)
        cells += [_resident(rows), _exactness(rows)]
        lines.append("| " + " | ".join(cells) + " |")
    ratios = [_ratio(c, work) for c in comparisons for work in _WORKS if c.has_run(work)]
    return "\n".join([*lines, "", *ratios])


def latency_table(rate_latencies: Sequence[tuple[int, Latency]]) -> str:
    """Event to risk and event to alert, by rate."""
    lines = ["| events/s | event to risk p50 | p99 | event to alert p50 | p99 |", "|---" * 5 + "|"]
    for rate, took in rate_latencies:
        cells = [f"{rate:,}"]
        for times in (took.risk_ms, took.alert_ms):
            cells += (
                [f"{quantile:.0f} ms" for quantile in np.percentile(times, [50, 99])]
                if len(times)
                else ["none came", ""]
            )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def stages_line(title: str, measure: Measurement) -> str:
    """Where the service's time went."""
    total = sum(measure.stages.values())
    named = sorted(measure.stages.items(), key=lambda stage: -stage[1])
    shares = ", ".join(f"{stage} {seconds / total:.0%}" for stage, seconds in named)
    return f"- {title}: {shares}"


def _rates(row: Row) -> list[str]:
    if not row.laps:
        first_line = " ".join(row.failure.split())
        reason = first_line if len(first_line) <= _LONGEST_REASON else first_line[:_LONGEST_REASON]
        return [reason.replace("|", "/"), "-"]
    return [f"{row.per_cpu_second:,.0f} ± {row.spread:.0%}", f"{row.per_second:,.0f}"]


def _resident(rows: Sequence[Row]) -> str:
    sizes = [measure.resident_bytes for row in rows for measure in row.laps]
    return f"{max(sizes) / _MIB:,.0f} MiB" if sizes else "-"


def _exactness(rows: Sequence[Row]) -> str:
    laps = [measure for row in rows for measure in row.laps]
    if not laps:
        return "-"
    difference = max(row.difference for row in rows)
    if all(measure.is_exact for measure in laps):
        return f"yes, {difference:.0e} from ours" if difference else "yes"
    named = ("missing", "repeated", "unexpected")
    counts = {name: sum(getattr(measure, name) for measure in laps) for name in named}
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _ratio(comparison: Comparison, work: str) -> str:
    what = f"- {comparison.title}, {_WORKS[work]}: "
    if not comparison.ours.laps or comparison.best_peer(work, _by_cpu) is None:
        return f"{what}nothing to compare"
    said = []
    for rate, by in ((_by_cpu, "per CPU second"), (_by_clock, "by the clock")):
        best = comparison.best_peer(work, rate)
        assert best is not None
        said.append(f"{rate(comparison.ours) / rate(best):.2f} {by} ({best.contestant.name})")
    return f"{what}ours over the best peer {' and '.join(said)}"


def _by_cpu(row: Row) -> float:
    return row.per_cpu_second


def _by_clock(row: Row) -> float:
    return row.per_second
