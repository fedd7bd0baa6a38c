"""`Monitor`: the scoring of the service as a library, without Kafka and Redis."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.bundles.bundle import NO_FORECAST, BundleError
from streamer.core.alert_messages import Content
from streamer.core.columns import decode
from streamer.core.events import EventRejected
from streamer.core.messages import write
from streamer.core.reasons import Rejection, ValueProblem
from streamer.core.records import Record
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable

_PARTITION = 0
_TOPICS = ("risk", "alert")
_NO_CLOCK = 0  # without a broker there is no record timestamp to compare an event's time with


class Monitor:
    """Watches patients inside one Python process.

    The messages are those of the `risk` and `alerts` topics, as dictionaries; ``partition`` is 0
    and ``offset`` counts the events so far. There is no clock of a log by which stays expire, so
    memory grows with the number of patients: begin another monitor now and then.

    >>> monitor = Monitor(risk_interval_s=0)
    >>> messages = monitor.update(
    ...     {"patient_id": "p1", "time": "2026-01-01T00:00:00Z", "values": {"heart_rate": 88}}
    ... )
    >>> messages[0]["patient_id"], messages[0]["bin"]
    ('p1', 0)

    Args:
        model: folder of a model bundle; the shipped one by default.
        risk_interval_s: evaluation interval in seconds of event time; 0 evaluates every event.
        forecast: whether risk messages also contain a forecast of vital signs.

    Raises:
        BundleError: the model cannot be used, or a forecast is asked for and it has no head.
    """

    def __init__(
        self,
        model: Path | str | None = None,
        risk_interval_s: float = 60,
        forecast: bool = False,
    ) -> None:
        content = bundle.load(Path(model) if model else bundle.SHIPPED)
        if forecast and not content.has_forecast:
            raise BundleError(f"bundle {content.shown_id}: {NO_FORECAST}")
        self._model = build(content)
        table = StayTable(self._model.architecture, variables=self._model.variables)
        self._scorer = Scorer(self._model, table, round(risk_interval_s * 1000), forecast)
        self._offset = 0
        self.problems: Counter[ValueProblem] = Counter()
        """Number of values dropped so far, by reason."""

    def update(self, event: Mapping[str, Any]) -> list[Content]:
        """Takes one event and returns the risk and alert messages that it causes.

        Raises:
            EventRejected: the service would write this event to the rejected topic.
        """
        messages, rejections = self.update_many([event])
        if rejections:
            raise EventRejected(rejections[0].reason, rejections[0].detail)
        return messages

    def update_many(
        self, events: Iterable[Mapping[str, Any]]
    ) -> tuple[list[Content], list[Rejection]]:
        """Takes many events at once, which is much faster than one by one.

        Returns:
            The messages in the order of the events, and the rejections with the index of the event.
        """
        records = [self._record(event) for event in events]
        columns = decode(records, future_limit_ms=None, variables=self._model.variables)
        outcome = self._scorer.score(columns, [_PARTITION] * len(columns.patients))
        self.problems += outcome.problems
        table = self._scorer.table
        messages = write(outcome, columns.record.tolist(), records, self._model, table)
        contents = [message.content for message in messages if message.kind in _TOPICS]
        return contents, outcome.rejections

    def _record(self, event: Mapping[str, Any]) -> Record:
        patient = event.get("patient_id")
        key = patient.encode(errors="replace") if isinstance(patient, str) else None
        value = json.dumps(dict(event), ensure_ascii=False).encode(errors="surrogatepass")
        self._offset += 1
        return Record(_PARTITION, self._offset - 1, _NO_CLOCK, key, value)
