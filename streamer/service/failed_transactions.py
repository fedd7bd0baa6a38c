"""Transactions that fail one after the other: how long to rest, what to say, when to give up.

One that fails alone is the rule of the protocol: the group has moved on, a broker has restarted.
The partitions are taken again and all is well. If nothing goes through any more, trying faster
helps nobody: the service says the broker's own words and tries again after a rest.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from streamer.ports.log import Interrupted, MembershipLost, NameTaken, TransactionNotAllowed
from streamer.service import metrics

SAID_AFTER: Final = 2  # failures in a row
# After the second failure, and after each later one: a try takes all partitions anew, which costs
# brokers and store, and a cause that is gone is noticed soon enough.
RESTS_S: Final = (2.0, 10.0)
# A twin under the same name takes it back each time: after three in a minute it is not a restart.
# Of two, the one that has lost three times ends; it does not take the name again, so the other one
# has not lost a third time.
_LOST_NAMES: Final = 3
_WITHIN_S: Final = 60.0


class FailedTransactions:
    """The transactions that have failed since the last one that went through.

    Args:
        clock: seconds that only rise; tests wind it.

    Attributes:
        why: the cause of the last failure, in the words of the log.
        is_not_allowed: whether a right was missing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._n = 0
        self.why = ""
        self.is_not_allowed = False
        self._failed_at = 0.0
        self._names_lost: deque[float] = deque(maxlen=_LOST_NAMES)
        metrics.TRANSACTIONS_FAILED.set(0)

    def note(self, error: Interrupted) -> None:
        """Notes a failure.

        Raises:
            NameTaken: another process works under the same name, again and again.
        """
        now = self._clock()
        if isinstance(error, NameTaken):
            self._names_lost.append(now)
            if len(self._names_lost) == _LOST_NAMES and now - self._names_lost[0] < _WITHIN_S:
                raise NameTaken(
                    f"another process works under the same name: {error}. Give each service a "
                    "STREAMER_INSTANCE of its own"
                ) from error
        elif not isinstance(error, MembershipLost):
            self._n += 1
            self.why = str(error)
            self.is_not_allowed = isinstance(error, TransactionNotAllowed)
            self._failed_at = now
            metrics.TRANSACTIONS_FAILED.set(self._n)

    def clear(self) -> None:
        """Notes that a transaction went through."""
        if self._n:
            self._n, self.is_not_allowed = 0, False
            metrics.TRANSACTIONS_FAILED.set(0)

    @property
    def rests(self) -> bool:
        """Whether it is too early for another try."""
        if self._n < SAID_AFTER:
            return False
        return self._clock() - self._failed_at < RESTS_S[min(self._n - SAID_AFTER, 1)]

    @property
    def reason(self) -> str | None:
        """Why nothing goes through, in the words of the log; ``None`` while it does."""
        if self._n < SAID_AFTER:
            return None
        return f"no transaction goes through, {self._n} in a row have failed: {self.why}"
