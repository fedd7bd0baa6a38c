from __future__ import annotations

import itertools

from streamer.core.time import DAY_MS, HOUR_MS, MINUTE_MS
from streamer.sim.outage import Outages, release_ms
from streamer.sim.scenario import Scenario, Wire

SCENARIO = Scenario(beds=1, wire=Wire(outages_per_day=6.0))


def test_outages_do_not_overlap_and_depend_on_the_scenario_alone() -> None:
    start, end = SCENARIO.start_ms, SCENARIO.start_ms + 10 * DAY_MS
    spans = Outages(SCENARIO).within(start, end)
    assert 30 < len(spans) < 90
    for (_, before), (begin, stop) in itertools.pairwise(spans):
        assert begin >= before + 5 * MINUTE_MS
        assert 5 * MINUTE_MS <= stop - begin <= 30 * MINUTE_MS
    by_hours, seen = Outages(SCENARIO), set()
    for hour in range(240):
        seen.update(by_hours.within(start + hour * HOUR_MS, start + (hour + 1) * HOUR_MS))
    assert sorted(seen) == spans


def test_a_ward_without_outages_has_none() -> None:
    quiet = Scenario(beds=1, wire=Wire.off())
    assert Outages(quiet).within(quiet.start_ms, quiet.start_ms + 100 * DAY_MS) == []


def test_messages_of_an_outage_come_after_it_in_their_order() -> None:
    spans = [(1_000, 61_000)]
    released = [release_ms(due_ms, spans) for due_ms in (999, 1_000, 31_000, 60_999, 61_000)]
    assert released == [999, 61_000, 61_500, 61_999, 61_000]
