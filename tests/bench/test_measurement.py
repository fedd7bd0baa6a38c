"""Missing, repeated and unexpected risks of an engine's output."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from bench.loads import Backlog
from bench.measurement import Output
from bench.reading import Tail


class RecordedTail(Tail):
    """A tail that returns some records once, without Kafka."""

    def __init__(self, offsets: list[int]) -> None:
        self._records = [
            type("Record", (), {"value": orjson.dumps({"partition": 0, "offset": o, "risk": 0.5})})
            for o in offsets
        ]

    def poll(self, _timeout_ms: int = 0, /) -> list[Any]:
        records, self._records = self._records, []
        return records

    def at_end(self) -> bool:
        return not self._records


@pytest.mark.parametrize(
    ("offsets", "faults"),
    [
        ([0, 2, 4], (0, 0, 0)),
        ([0, 2], (0, 0, 0)),  # cut off: what comes after the last is not missed
        ([0, 4], (1, 0, 0)),
        ([0, 2, 2, 4], (0, 1, 0)),
        ([0, 1, 2, 4], (0, 0, 1)),
    ],
)
def test_risks_are_compared_with_the_due_events(
    offsets: list[int], faults: tuple[int, int, int]
) -> None:
    output = Output(RecordedTail(offsets), Backlog("tiny", "vitals", 0.0, 5, [np.array([0, 2, 4])]))
    output.read_rest()
    assert output.compare() == faults
    assert output.is_complete == (4 in offsets)
