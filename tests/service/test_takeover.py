from __future__ import annotations

import re

import pytest

from streamer.adapters.memory.log import MemoryBroker, MemoryLog
from streamer.ports.states import Lease
from streamer.service.takeover import PartitionBlocked, Start, plan_start
from tests.support.fake_service import ORIGIN_MS, library

LIBRARY, _ = library(5)
TOPIC = "topic-a"
DAY = 24 * 3_600_000
FIRST, END = 10, 100  # one record an hour; those before FIRST are deleted


def start(watermark: int | None, committed: int | None, rebuild_ms: int = DAY) -> Start:
    """Where reading starts, given what store and group say."""
    broker = MemoryBroker(1)
    for i in range(END):
        broker.append(0, b"p", b"{}", ORIGIN_MS + i * 3_600_000)
    broker.first[0] = FIRST
    if committed is not None:
        broker.committed[0] = committed
    known = watermark is not None
    taken = Lease(1, watermark, "m" if known else None, 0, TOPIC if known else None)
    return plan_start(MemoryLog(broker), 0, taken, TOPIC, rebuild_ms)


@pytest.mark.parametrize(
    ("watermark", "committed", "expected"),
    [
        (None, None, Start(FIRST, FIRST)),  # never seen before
        (40, 40, Start(40, 40)),  # left in order
        (40, 55, Start(40, 55)),  # crashed between the two effects
        (FIRST, None, Start(FIRST, FIRST)),  # crashed before the first commit
        (END, END, Start(END, END)),  # nothing to do
        (None, 60, Start(35, 60)),  # states lost: a day before the last record that was taken
        (None, 20, Start(FIRST, 20)),  # as far back as the log goes
        (None, FIRST, Start(FIRST, FIRST)),  # nothing before what was taken is left
        (None, 4, Start(FIRST, 4)),  # nor is all of what was not taken
    ],
)
def test_the_start_follows_from_watermark_and_committed_offset(
    watermark: int | None, committed: int | None, expected: Start
) -> None:
    assert start(watermark, committed) == expected


def test_a_rebuild_starts_the_configured_time_before_the_committed_offset() -> None:
    assert start(None, 60, rebuild_ms=0) == Start(59, 60)
    assert start(None, 60, rebuild_ms=5 * 3_600_000) == Start(54, 60)
    assert start(None, 60, rebuild_ms=100 * DAY) == Start(FIRST, 60)


@pytest.mark.parametrize(
    ("watermark", "committed", "message", "way_out"),
    [
        (50, 40, "states are ahead of the log: watermark 50, committed offset 40", "to 50"),
        (40, None, "no committed offset", "to 40"),
        (5, 40, "the states end at offset 5, the topic holds 10 to 100: events", "restored"),
        (5, None, "the states end at offset 5, the topic holds 10 to 100: events", "restored"),
        (101, 100, "the states end at offset 101, the topic holds 10 to 100: the log", "restored"),
        (40, 101, "committed offset 101 lies behind the end of the topic, 100", "to 100"),
        (None, 101, "committed offset 101 lies behind the end of the topic, 100", "to 100"),
        (101, 101, "committed offset 101 lies behind the end of the topic, 100", "to 100"),
    ],
)
def test_a_blocked_partition_names_the_way_out(
    watermark: int | None, committed: int | None, message: str, way_out: str
) -> None:
    with pytest.raises(PartitionBlocked, match=re.escape(message)) as refused:
        start(watermark, committed)
    assert way_out in str(refused.value)


def test_a_topic_that_was_made_anew_is_refused() -> None:
    log = MemoryLog(MemoryBroker(1))
    with pytest.raises(PartitionBlocked, match="created anew"):
        plan_start(log, 0, Lease(1, 0, "m", 0, "another topic"), TOPIC, DAY)
