"""The bytes that a batch of messages may have, where a topic takes fewer than by default.

Brokers refuse a batch that is larger than `max.message.bytes` of its topic. Smaller ones go
through, unless a message by itself is too large. Many small batches cost time, and the setting may
be a mistake that is mended by now, so the full size is tried again after a while. Where it is
refused again the next try comes later: each costs one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from streamer.adapters.kafka.options import BATCH_BYTES

_SMALLER: Final = 16  # 262,144 bytes, 16,384, 1,024, then each message alone
_FIRST_REST_S: Final = 60.0
_LONGEST_REST_S: Final = 3_600.0


class BatchSize:
    """The size of batches, as the answers of brokers teach it.

    Args:
        clock: seconds that only rise; tests wind it.

    Attributes:
        most_bytes: of a batch.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._refused_at = 0.0
        self._rest_s = _FIRST_REST_S
        self._was_narrow = False
        self.most_bytes = BATCH_BYTES

    def refused(self) -> None:
        """Notes that a batch was too large."""
        if self.most_bytes == BATCH_BYTES and self._was_narrow:
            self._rest_s = min(2 * self._rest_s, _LONGEST_REST_S)
        self.most_bytes = max(1, self.most_bytes // _SMALLER)
        self._refused_at, self._was_narrow = self._clock(), True

    def went_through(self) -> None:
        """Notes that a transaction went through; the next may be tried with full batches."""
        if self._was_narrow and self._clock() - self._refused_at > self._rest_s:
            if self.most_bytes == BATCH_BYTES:  # and was not refused again
                self._was_narrow, self._rest_s = False, _FIRST_REST_S
            self.most_bytes = BATCH_BYTES
            self._refused_at = self._clock()
