"""The thread that reads the topics for the board: the whole ward first, then what follows.

Kafka may be away at the start and at any time: the board shows what it knows, and a banner.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import structlog

from streamer.board.board import Change, Tombstone
from streamer.board.messages import AlertMessage, RiskMessage, StayMessage, read
from streamer.board.ward_fold import WardFold
from streamer.ports.log import LogUnavailable
from streamer.ports.ward import Progress, ServiceProgress, WardLog, WardRecord, WardTopics

_log = structlog.get_logger()
_POLL_S: Final = 0.2
_RETRY_S: Final = 1.0
_ASK_EVERY_S: Final = 5.0


def changes(records: Iterable[WardRecord], topics: WardTopics) -> Iterator[Change]:
    """Reads records as what changes on the ward; what is no message is left out."""
    for record in records:
        if record.topic == topics.stays and not record.value:
            with contextlib.suppress(UnicodeDecodeError):
                yield Tombstone((record.key or b"").decode())
            continue
        value = record.value or b""
        message: Change | None
        if record.topic == topics.risk:
            message = read(RiskMessage, value)
        elif record.topic == topics.alerts:
            message = read(AlertMessage, value)
        else:
            message = read(StayMessage, value)
        if message is not None:
            yield message


class Follower:
    """Reads until it is stopped.

    Args:
        open_log: connects to Kafka.
        topics: the names.
        wall_ms: the clock, epoch milliseconds.
        loaded: takes the ward when it was read from the beginning.
        followed: takes each batch of changes after that, and returns when they are applied.
    """

    def __init__(
        self,
        open_log: Callable[[], WardLog],
        topics: WardTopics,
        wall_ms: Callable[[], int],
        loaded: Callable[[WardFold], None],
        followed: Callable[[Sequence[Change]], None],
    ) -> None:
        self._open_log, self._topics, self._wall_ms = open_log, topics, wall_ms
        self._loaded, self._followed = loaded, followed

    def run(self, stop: threading.Event) -> None:
        """Reads, and begins anew after each failure."""
        last_words = ""  # the same words once
        while not stop.is_set():
            try:
                with contextlib.closing(self._open_log()) as log:
                    self._read(log, stop)
                last_words = ""
            except LogUnavailable as error:
                if str(error) != last_words:
                    last_words = str(error)
                    _log.warning("the log does not answer", error=last_words)
                stop.wait(_RETRY_S)

    def _read(self, log: WardLog, stop: threading.Event) -> None:
        fold = WardFold()
        for records in log.load(self._wall_ms()):
            for change in changes(records, self._topics):
                if isinstance(change, Tombstone):
                    fold.remove(change.patient)
                else:
                    fold.add(change)
            if stop.is_set():
                return
        self._loaded(fold)
        _log.info("ward loaded", beds=len(fold.patients))
        while not stop.is_set():
            batch = list(changes(log.poll(_POLL_S), self._topics))
            if batch:
                self._followed(batch)


def watch_progress(
    progress: ServiceProgress, stop: threading.Event, note: Callable[[Progress | None], None]
) -> None:
    """Asks every five seconds how far the service is, until it is stopped.

    Args:
        progress: what is asked.
        stop: ends it.
        note: takes the answer, ``None`` where the log does not answer.
    """
    last_words = ""  # the same words once
    with contextlib.closing(progress):
        while not stop.is_set():
            answer: Progress | None = None
            try:
                answer = progress.ask()
                last_words = ""
            except LogUnavailable as error:
                if str(error) != last_words:
                    last_words = str(error)
                    _log.warning("the progress of the service is not known", error=last_words)
            if not stop.is_set():
                note(answer)
            stop.wait(_ASK_EVERY_S)
