"""The loop of the canary: sends what is due, hears what comes, counts how each ended.

It never ends by itself: a Kafka or a Redis that is away is what it is there to find. Its latencies
come from one clock of this process, so no other clock enters them.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from streamer.canary.golden import NoGoldenStay
from streamer.canary.goldens import Goldens
from streamer.canary.probes import Outcome
from streamer.canary.series import Series
from streamer.canary.watch import Verdict, Watch
from streamer.ports.canary import CanaryLog
from streamer.ports.log import LogUnavailable
from streamer.ports.states import StoreUnavailable

_log = structlog.get_logger()

POLL_S: Final = 0.1  # longest delay of a probe that is due; latencies are this fine, or finer
LOOK_S: Final = 10.0  # between two looks at widths and model: a new partition is watched soon
SILENT_S: Final = 180.0
"""Without a success for so long a partition counts as unwatched: two canaries were lost. The same
as in `VigilCanarySilent` of deploy/prometheus/rules.yml."""


class CanaryProcess:
    """Watches all partitions.

    Args:
        log: canaries are sent to it and heard from it.
        goldens: the model in force and what it must say.
        watch: the probes.
        series: the metrics.
        heard: called with how each probe ended.
        clock: seconds that only rise; tests wind it.
        wall: seconds since 1970.

    Attributes:
        moved_s: when the loop last moved.
    """

    def __init__(
        self,
        log: CanaryLog,
        goldens: Goldens,
        watch: Watch,
        series: Series,
        heard: Callable[[Verdict], None] = lambda _verdict: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._log, self._goldens, self._watch, self._series = log, goldens, watch, series
        self._heard, self._clock, self._wall = heard, clock, wall
        self._look_at = clock()
        self._noted: dict[str, str] = {}  # what is the matter, said once, by what it is with
        self._strangers = 0
        self.moved_s = clock()

    @property
    def reasons(self) -> list[str]:
        """Why the watch is not proven; empty where it is, on every partition."""
        if not self._series.last_success:
            return ["nothing was sent yet", *self._noted.values()]
        now = self._wall()
        silent = [p for p, at in self._series.last_success.items() if now - at > SILENT_S]
        return [
            f"no canary of partition {p} was heard for {now - self._series.last_success[p]:.0f} s"
            for p in sorted(silent)
        ]

    def run(self, stop: threading.Event, until: Callable[[], bool] = lambda: False) -> None:
        """Works until ``stop`` is set, or ``until`` is true."""
        while not stop.is_set() and not until():
            if not self.step():
                stop.wait(POLL_S)

    def step(self) -> bool:
        """Does one round; returns whether the log answered."""
        self.moved_s = now = self._clock()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._look(now)
        self._take(self._watch.lose(now))
        if self._goldens.shown_id:
            self._send(now)
        return bool(self._watch.partitions) and self._hear()

    def _look(self, now: float) -> None:
        try:
            self._watch.widen(self._log.widths(), now, self._log.partition_of)
            self._series.watch(self._watch.partitions, self._wall())
            self._mended("log")
        except LogUnavailable as error:
            self._note("log", str(error))
        self._refresh(now)
        if self._watch.strangers > self._strangers:
            self._strangers = self._watch.strangers
            self._note(
                "name",
                "canaries of this name are heard that this process has not sent: of the one before "
                "it, or of another that is called the same. Set STREAMER_INSTANCE",
            )

    def _refresh(self, now: float) -> None:
        try:
            self._goldens.refresh(now)
            self._mended("model")
        except (StoreUnavailable, NoGoldenStay) as error:
            self._note("model", str(error))

    def _send(self, now: float) -> None:
        is_away = False  # each question to a log that is away takes seconds
        for partition in self._watch.due(now):
            trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01".encode()
            probe = self._watch.begin(partition, self._goldens.stay, trace, self._clock())
            if probe is None or is_away:
                continue
            now_ms = round(self._wall() * 1000)
            events = [
                json.dumps(event).encode() for event in probe.stay.events(probe.patient, now_ms)
            ]
            try:
                self._log.send(probe.patient.encode(), events, trace)
                self._mended("log")
            except LogUnavailable as error:
                is_away = True
                self._note("log", str(error))

    def _hear(self) -> bool:
        try:
            heard = self._log.poll(POLL_S)
        except LogUnavailable as error:
            self._note("log", str(error))
            return False
        self._take(self._watch.hear(heard, self._clock(), self._goldens.expected_of))
        return True

    def _take(self, verdicts: Iterable[Verdict]) -> None:
        for verdict in verdicts:
            self._series.count(verdict, self._wall())
            self._heard(verdict)
            if verdict.outcome is not Outcome.OK:
                _log.warning(
                    "canary",
                    partition=verdict.partition,
                    outcome=str(verdict.outcome),
                    why=verdict.why,
                )

    def _note(self, what: str, words: str) -> None:
        if self._noted.get(what) != words:
            self._noted[what] = words
            _log.warning("the canary is held up", by=what, error=words)

    def _mended(self, what: str) -> None:
        self._noted.pop(what, None)
