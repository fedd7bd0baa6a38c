"""Topics that a transaction does without, as long as this user may not write them.

One denied topic fails a whole transaction, and with it the messages of all patients. So Kafka is
asked which of these topics may be written, before a producer begins and after each failure; records
for the others are left out until the answer is another one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from streamer.adapters.kafka.client_fixes import TidyAdmin
from streamer.adapters.kafka.errors import NO_ANSWER
from streamer.adapters.kafka.topics import may_be_written
from streamer.ports.log import Output

_ASK_AGAIN_S: Final = 10.0  # a right that is granted is used soon; the answer takes some 20 ms
_ANSWER_MS: Final = 1_000  # the loop waits for it


class OptionalTopics:
    """Which of some topics cannot be written.

    Args:
        connection: passed to the client as it is (``bootstrap_servers``, security).
        names: the topics.
        clock: seconds that only rise; tests wind it.

    Attributes:
        left_out: those that are missing, or that this user may not write.
    """

    def __init__(
        self,
        connection: Mapping[str, Any],
        names: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._names = names
        self._clock = clock
        self._asked_at = 0.0
        self.left_out: frozenset[str] = frozenset()

    def ask(self) -> None:
        """Asks Kafka; without an answer it stays as it was."""
        if not self._names:
            return
        self._asked_at = self._clock()
        with contextlib.suppress(*NO_ANSWER):
            admin = TidyAdmin(
                **self._connection, bootstrap_timeout_ms=_ANSWER_MS, request_timeout_ms=_ANSWER_MS
            )
            with contextlib.closing(admin):
                described = admin.describe_topics(list(self._names))
            writable = {topic["name"] for topic in described if may_be_written(topic)}
            self.left_out = frozenset(self._names) - writable

    def ask_again(self) -> None:
        """Asks once more, now and then, while something is left out."""
        if self.left_out and self._clock() - self._asked_at >= _ASK_AGAIN_S:
            self.ask()

    def kept(self, outputs: Sequence[Output]) -> Sequence[Output]:
        """Returns the records of a transaction without those that would fail it."""
        if not self.left_out:
            return outputs
        return [output for output in outputs if output.topic not in self.left_out]
