"""The burden of alerts on the people of a ward: how many, how soon answered, how often right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from streamer.board.api import Burden, BurdenDay, Verdicts
from streamer.board.messages import AlertMessage, epoch_ms
from streamer.core.actions import VERDICTS
from streamer.core.time import DAY_MS, rfc3339
from streamer.service.model_facts import ModelFacts


@dataclass(frozen=True, slots=True)
class Span:
    """Days in which a patient was on the ward, epoch milliseconds."""

    began_ms: int
    ended_ms: int

    def days_within(self, first_ms: int, last_ms: int) -> float:
        """The part between two times, in days."""
        return max(0, min(self.ended_ms, last_ms) - max(self.began_ms, first_ms)) / DAY_MS


@dataclass(slots=True)
class _Count:
    """What the messages of a span of days say."""

    starts: dict[str, int] = field(default_factory=dict)
    acknowledged_ms: dict[str, int] = field(default_factory=dict)
    overdue: set[str] = field(default_factory=set)
    verdicts: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, message: AlertMessage, first_ms: int) -> None:
        time_ms, alert_id = epoch_ms(message.time), message.alert_id
        if time_ms is None or alert_id is None or time_ms < first_ms:
            return
        match message.phase:
            case "start":
                self.starts.setdefault(alert_id, time_ms)
            case "acknowledge":
                self.acknowledged_ms.setdefault(alert_id, time_ms)
            case "overdue":
                self.overdue.add(alert_id)
            case "feedback" if message.verdict in VERDICTS:
                user = message.by.user if message.by else ""
                self.verdicts[alert_id, user] = message.verdict or ""


def count(
    messages: Iterable[AlertMessage],
    spans: Sequence[Span],
    days: int,
    now_ms: int,
    facts: ModelFacts,
) -> Burden:
    """Returns the burden of the last days.

    Args:
        messages: of the topic `alerts`, in the order of the log.
        spans: of all patients.
        days: how many.
        now_ms: the end, epoch milliseconds.
        facts: of the model in force.
    """
    first_ms, counted = now_ms - days * DAY_MS, _Count()
    for message in messages:
        counted.add(message, first_ms)
    starts = counted.starts
    bed_days = sum(span.days_within(first_ms, now_ms) for span in spans)
    waits_s = sorted(
        (counted.acknowledged_ms[alert_id] - started_ms) / 1000
        for alert_id, started_ms in starts.items()
        if alert_id in counted.acknowledged_ms
    )
    late = [alert_id for alert_id in starts if alert_id in counted.overdue]
    return {
        "days": days,
        "beds": sum(span.ended_ms >= now_ms for span in spans),
        "starts": len(starts),
        "bed_days": round(bed_days, 1),
        "starts_per_bed_day": round(len(starts) / bed_days, 3) if bed_days else None,
        "acknowledge_p50_s": quantile(waits_s, 0.5),
        "acknowledge_p90_s": quantile(waits_s, 0.9),
        "overdue_share": round(len(late) / len(starts), 4) if starts else None,
        "verdicts": _verdicts(counted),
        "model_ppv": facts.alert_ppv,
        "model_ppv_source": facts.source,
        "by_day": _by_day(counted, first_ms, now_ms),
    }


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The value at or below which a share of the values is (nearest rank); ``None`` of none.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5), quantile([1.0, 2.0, 3.0, 4.0], 0.9), quantile([], 0.5)
    (2.0, 4.0, None)
    """
    if not ordered:
        return None
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]


def _verdicts(counted: _Count) -> Verdicts:
    counts = Counter(counted.verdicts.values())
    judged = counts["true"] + counts["false"]
    return {
        "n": sum(counts.values()),
        "true": counts["true"],
        "false": counts["false"],
        "unsure": counts["unsure"],
        "ppv": round(counts["true"] / judged, 4) if judged else None,
    }


def _by_day(counted: _Count, first_ms: int, now_ms: int) -> list[BurdenDay]:
    starts: Counter[int] = Counter(time_ms // DAY_MS for time_ms in counted.starts.values())
    overdue: Counter[int] = Counter(
        time_ms // DAY_MS
        for alert_id, time_ms in counted.starts.items()
        if alert_id in counted.overdue
    )
    return [
        {"day": rfc3339(day * DAY_MS)[:10], "starts": starts[day], "overdue": overdue[day]}
        for day in range(first_ms // DAY_MS, now_ms // DAY_MS + 1)
    ]
