from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core.codec import Era, encode
from streamer.core.columns import decode
from streamer.core.expiry import KEPT_DAYS
from streamer.core.reasons import Reason
from streamer.core.records import Record
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from tests.support.event_stream import ORIGIN_MS, Event, discharge, observation, record
from tests.support.small_models import random_model

MODEL = random_model(1)
DAY_MS = 86_400_000


def logged(day: float, event: Event, partition: int = 0) -> Record:
    """An event as a record of some day of the log."""
    return record(event, timestamp_ms=round(ORIGIN_MS + day * DAY_MS))._replace(partition=partition)


def scorer_after(
    *batches: Sequence[Record], home_partitions: dict[str, int] | None = None
) -> Scorer:
    scorer = Scorer(MODEL, StayTable(MODEL.architecture, capacity=2), 0)
    for batch in batches:
        columns = decode(batch, None)
        scorer.score(columns, [batch[i].partition for i in columns.record], home_partitions)
    return scorer


def rejected(
    batch: Sequence[Record], home_partitions: dict[str, int] | None = None
) -> list[tuple[int, Reason]]:
    scorer = Scorer(MODEL, StayTable(MODEL.architecture), 0)
    columns = decode(batch, None)
    outcome = scorer.score(columns, [batch[i].partition for i in columns.record], home_partitions)
    return [(each.record, each.reason) for each in outcome.rejections]


def test_a_stay_goes_when_nothing_was_heard_of_it_for_fifteen_days() -> None:
    start = [logged(0, observation(0, "left")), logged(1, observation(24, "still"))]
    last = logged(KEPT_DAYS, observation(360, "here"))
    assert set(scorer_after(start, [last]).table) == {"left", "still", "here"}
    turned = scorer_after(start, [last, logged(KEPT_DAYS + 1, observation(384, "here"))])
    assert set(turned.table) == {"still", "here"}
    assert turned.table.gone == {0: {"left"}}


@pytest.mark.parametrize("ends", [False, True])
def test_a_discharge_does_not_shorten_it(ends: bool) -> None:
    leaves = [logged(0.5, discharge(1, "p"))] if ends else []
    start = [logged(0, observation(0, "p")), *leaves]
    for day, here in ((KEPT_DAYS, True), (KEPT_DAYS + 1, False)):
        scorer = scorer_after(start, [logged(day, observation(day * 24, "q"))])
        assert ("p" in scorer.table) == here


def test_old_data_fed_in_today_stays() -> None:
    batch = [logged(400, observation(0, "p")), logged(401, observation(24 * 401, "q"))]
    assert set(scorer_after(batch).table) == {"p", "q"}
    # ... even where its records are stamped with the old times
    stamped = [logged(400, observation(0, "p")), logged(2, observation(48, "q"))]
    assert set(scorer_after(stamped, [logged(401, observation(9_000, "p"))]).table) == {"p", "q"}


def test_each_partition_has_its_own_clock() -> None:
    batch = [logged(0, observation(0, "p")), logged(99, observation(99 * 24, "q"), partition=1)]
    assert set(scorer_after(batch).table) == {"p", "q"}


def test_who_comes_back_later_begins_anew() -> None:
    batch = [
        logged(0, observation(0, "p", heart_rate=80)),
        logged(30, observation(720, "q")),
        logged(30, observation(720, "p", resp_rate=20)),
    ]
    scorer = scorer_after(batch)
    alone = scorer_after(batch[2:])
    slots = [np.array([each.table.slot_of["p"]]) for each in (scorer, alone)]
    assert encode(scorer.table, slots[0], Era("m")) == encode(alone.table, slots[1], Era("m"))


def test_a_discharge_of_nobody_does_not_move_the_clock() -> None:
    batch = [logged(0, observation(0, "p")), logged(99, discharge(1, "nobody"))]
    scorer = scorer_after(batch, [logged(1, observation(24, "q"))])
    assert set(scorer.table) == {"p", "q"}


@settings(max_examples=60, deadline=None)
@given(
    events=st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 60), st.booleans(), st.integers(0, 1)),
        min_size=1,
        max_size=14,
    ),
    cuts=st.sets(st.integers(1, 13)),
)
def test_it_depends_on_the_log_alone(
    events: list[tuple[str, int, bool, int]], cuts: set[int]
) -> None:
    records = [
        logged(
            day,
            (discharge if ends else observation)(day * 24 + i / 60, f"{patient}{partition}"),
            partition,
        )
        for i, (patient, day, ends, partition) in enumerate(events)
    ]
    bounds = sorted({0, *(cut for cut in cuts if cut < len(records)), len(records)})
    batches = [records[a:b] for a, b in itertools.pairwise(bounds)]
    whole, cut = scorer_after(records), scorer_after(*batches)
    assert set(whole.table) == set(cut.table)
    for patient in whole.table:
        forms = [
            encode(each.table, np.array([each.table.slot_of[patient]]), Era("m"))
            for each in (whole, cut)
        ]
        assert forms[0] == forms[1]
    for partition in (0, 1):
        gone = [each.table.gone.get(partition, set()) - set(each.table) for each in (whole, cut)]
        assert gone[0] == gone[1]


class TestHome:
    def test_a_patient_of_another_partition_is_refused(self) -> None:
        first, second = logged(0, observation(0)), logged(0, observation(1), partition=1)
        assert rejected([first, second]) == [(1, Reason.OTHER_PARTITION)]
        scorer = scorer_after([first], [second])
        assert scorer.table["newest_ms"][scorer.table.slot_of["p"]] == ORIGIN_MS

    def test_of_whom_it_is_known_from_elsewhere_too(self) -> None:
        batch = [logged(0, observation(0), partition=1)]
        assert rejected(batch, {"p": 0}) == [(0, Reason.OTHER_PARTITION)]
        assert rejected(batch, {"p": 1, "q": 0}) == []
        assert "p" not in scorer_after(batch, home_partitions={"p": 0}).table

    def test_a_discharge_of_nobody_gives_no_home(self) -> None:
        batch = [logged(0, discharge(0)), logged(0, observation(1), partition=1)]
        assert rejected(batch) == [(0, Reason.NO_STAY)]
