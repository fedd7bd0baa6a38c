"""The watch counts a partition's silence only while nobody gives a reason for it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.chaos.liveness import LivenessWatch


class Group:
    """Offsets and readiness that a test sets."""

    def __init__(self) -> None:
        self.ends, self.committed = [10, 10], [0, 10]
        self.says: Sequence[str | None] = [None, None]
        self.watch = LivenessWatch(lambda: (self.ends, list(self.committed)), lambda: self.says)

    def look(self, times: int) -> float:
        for _ in range(times):
            self.watch.look(1.0)
        return self.watch.longest_s


def test_a_partition_that_stands_still_while_all_are_ready_is_counted() -> None:
    assert Group().look(5) == 4.0  # the first look has nothing to compare with


def test_a_reason_and_progress_stop_the_count() -> None:
    group = Group()
    group.look(3)
    group.says = [None, "waiting for Redis"]
    assert group.look(10) == 2.0
    group.says = [None, None]
    group.committed = [5, 10]
    assert group.look(2) == 2.0
    assert group.look(2) == 3.0
    group.says = []
    assert group.look(9) == 3.0, "nobody lives, so nobody says that all is well"
