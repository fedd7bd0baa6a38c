"""A lease that nobody else wants: tests of runs need no Redis for it."""

from __future__ import annotations

from trainer.registry.lease import Lease


class FreeLease(Lease):
    """The right to train, for the asking."""

    def __init__(self) -> None:
        self.fence = 0

    def acquire(self) -> bool:
        """See ``Lease``."""
        self.fence = 1
        return True

    def renew(self) -> bool:
        """See ``Lease``."""
        return True

    def is_newest(self) -> bool:
        """See ``Lease``."""
        return True

    def release(self) -> None:
        """See ``Lease``."""
        self.fence = 0
