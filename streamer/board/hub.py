"""Server-sent events: what changed goes to each open stream, and a slow browser costs no memory.

Changes are written once for all streams that see the same wards. A stream holds 64 messages at
most: one that does not read loses them and gets a snapshot when it reads again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

import orjson

from streamer.board.board import Audience, Board
from streamer.core.time import rfc3339

QUEUE: Final = 64
MOST_STREAMS: Final = 1_000
"""Of all browsers together; a ward has some dozens."""
_CHANGES_EVERY_S: Final = 1.0
_URGENT_EVERY_S: Final = 0.05  # an alert is shown at once; a storm of them twenty times a second
_SYSTEM_EVERY_S: Final = 5.0


def event(name: str, data: bytes) -> bytes:
    """One server-sent event; JSON has no line end of its own.

    >>> event("bye", b"{}")
    b'event: bye\\ndata: {}\\n\\n'
    """
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


class Stream:
    """One open stream: what waits for it, and whether it lost its place.

    Args:
        audience: what it sees.
        is_allowed: whether its session is still good.
    """

    def __init__(self, audience: Audience, is_allowed: Callable[[], bool]) -> None:
        self.audience, self.is_allowed = audience, is_allowed
        self.is_lost = True  # at first, it knows nothing
        self.is_closed = False
        self.waiting: deque[bytes] = deque()
        self.woken = asyncio.Event()

    def put(self, message: bytes) -> None:
        """Queues a message; a full queue is emptied, since a snapshot will replace it."""
        if len(self.waiting) >= QUEUE:
            self.waiting.clear()
            self.is_lost = True
        if not self.is_lost:
            self.waiting.append(message)
        self.woken.set()

    def close(self, last: bytes | None = None) -> None:
        """Ends the stream, with a last message if there is one."""
        if last is not None:
            self.waiting.append(last)
        self.is_closed = True
        self.woken.set()


class Hub:
    """All open streams of a board.

    Attributes:
        moved_s: when the state of the system was last published, seconds of the monotonic clock.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._streams: set[Stream] = set()
        self._visible: dict[Audience, set[str]] = {}
        self._dirty, self._urgent = asyncio.Event(), asyncio.Event()
        self._is_closing = False
        self.moved_s = time.monotonic()

    def __len__(self) -> int:
        return len(self._streams)

    def wake(self) -> None:
        """Says that the board has changes to publish."""
        self._dirty.set()
        if self._board.fold.is_urgent:
            self._urgent.set()

    async def run(self) -> None:
        """Publishes changes and the state of the system until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_changes())
            tasks.create_task(self._publish_system())

    async def messages(self, stream: Stream) -> AsyncIterator[bytes]:
        """Yields what goes to a stream, a snapshot first, until it is closed."""
        self._streams.add(stream)
        try:
            while True:
                if stream.is_lost and not stream.is_closed:
                    stream.is_lost = False
                    stream.waiting.clear()
                    self._remember(stream.audience)
                    yield event("snapshot", self._board.snapshot(stream.audience))
                while stream.waiting and not stream.is_lost:
                    yield stream.waiting.popleft()
                if stream.is_closed:
                    return
                if not stream.is_lost:
                    stream.woken.clear()
                    await stream.woken.wait()
        finally:
            self._streams.discard(stream)
            if not any(other.audience == stream.audience for other in self._streams):
                self._visible.pop(stream.audience, None)

    @property
    def is_full(self) -> bool:
        """Whether no further stream is taken."""
        return self._is_closing or len(self._streams) >= MOST_STREAMS

    def close(self) -> None:
        """Says `bye` to all streams: the server waits for them to end."""
        self._is_closing = True
        for stream in self._streams:
            stream.is_lost = False
            stream.close(event("bye", b"{}"))

    async def _publish_changes(self) -> None:
        last = 0.0
        while True:
            await self._dirty.wait()
            wait_s = last + _CHANGES_EVERY_S - time.monotonic()
            if wait_s > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._urgent.wait(), wait_s)
                await asyncio.sleep(max(0.0, last + _URGENT_EVERY_S - time.monotonic()))
            self._dirty.clear()
            self._urgent.clear()
            last = time.monotonic()
            self._send_changes(self._board.publish())

    def _send_changes(self, patients: list[str]) -> None:
        if not patients:
            return
        written: dict[Audience, bytes | None] = {}
        for stream in self._streams:
            if stream.audience not in written:
                written[stream.audience] = self._changes(stream.audience, patients)
            message = written[stream.audience]
            if message is not None:
                stream.put(message)

    def _changes(self, audience: Audience, patients: list[str]) -> bytes | None:
        """The changes that an audience sees; a patient who left its wards is gone for it."""
        visible = self._visible.setdefault(audience, set())
        shown, gone = [], []
        for patient in patients:
            card = self._board.card_of(patient, audience)
            if card is not None:
                visible.add(patient)
                shown.append(orjson.Fragment(card.json))
            elif patient in visible:
                visible.discard(patient)
                gone.append(patient)
        if not shown and not gone:
            return None
        board = self._board
        changes = {
            "seq": board.seq, "time": rfc3339(board.wall_ms()), "cards": shown, "gone": gone
        }  # fmt: skip
        return event("cards", orjson.dumps(changes))

    def _remember(self, audience: Audience) -> None:
        self._visible.setdefault(audience, set()).update(
            shown.card["patient"] for shown in self._board.cards(audience)
        )

    async def _publish_system(self) -> None:
        while True:
            await asyncio.sleep(_SYSTEM_EVERY_S)
            self.moved_s = time.monotonic()
            self._board.let_time_pass()
            if self._board.fold.changed:
                self.wake()
            written: dict[Audience, bytes] = {}
            for stream in list(self._streams):
                if not stream.is_allowed():
                    stream.close()
                    continue
                if stream.audience not in written:
                    system = orjson.dumps(self._board.system(stream.audience))
                    written[stream.audience] = event("system", system)
                stream.put(written[stream.audience])
