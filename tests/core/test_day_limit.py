from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.core.codec import Era, decode, encode
from streamer.core.columns import decode as decode_events
from streamer.core.reasons import Reason
from streamer.core.records import Record
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable
from tests.support.event_stream import ORIGIN_MS, discharge, observation, record
from tests.support.small_models import random_model

MODEL = random_model(1)
DAY_MS = 86_400_000
ERA = Era(MODEL.model_id, 0)
Place = tuple[str, float, int]  # patient, day of the log, partition


def logged(patient: str, day: float, partition: int = 0) -> Record:
    """An observation of a patient as a record of some day of the log."""
    event = observation(0, patient, heart_rate=80)  # late, and not too late, on any day
    return record(event, timestamp_ms=round(ORIGIN_MS + day * DAY_MS))._replace(partition=partition)


class Limited:
    """A scorer with a limit, and who was refused, by the number of the record."""

    def __init__(self, most_a_day: int) -> None:
        self.scorer = Scorer(MODEL, self._table(most_a_day), 60_000)
        self.refused: list[int] = []
        self._n = 0

    @staticmethod
    def _table(most_a_day: int) -> StayTable:
        return StayTable(MODEL.architecture, capacity=2, most_a_day=most_a_day)

    def take(self, batch: Sequence[Record]) -> None:
        columns = decode_events(batch, None)
        outcome = self.scorer.score(columns, [batch[i].partition for i in columns.record])
        for rejection in outcome.rejections:
            assert rejection.reason is Reason.TOO_MANY_PATIENTS
            self.refused.append(self._n + rejection.record)
        self._n += len(batch)

    def move(self) -> None:
        """To another service, by what is stored alone."""
        before, table = self.scorer.table, self._table(self.scorer.table.most_a_day)
        for partition in (0, 1):
            slots = before.slots_in(partition)
            names, stored = before.names(slots), encode(before, slots, ERA)
            decode(table, partition, dict(zip(names, stored, strict=True)), ERA)
        self.scorer = Scorer(MODEL, table, 60_000)


def test_a_new_patient_beyond_the_limit_is_refused_and_the_others_go_on() -> None:
    limited = Limited(2)
    limited.take([logged(p, 0.1) for p in ("a", "b", "c", "a", "c")])
    assert limited.refused == [2, 4]
    assert limited.scorer.table.gone == {0: {"c"}}, "it is nobody's home"
    limited.take([logged("d", 0.2, partition=1), logged("b", 0.3)])
    assert set(limited.scorer.table) == {"a", "b", "d"}


def test_each_day_counts_anew_those_who_come_on_it() -> None:
    limited = Limited(2)
    limited.take([logged(p, 0.1) for p in ("a", "b")])
    limited.take([logged(p, 1.1) for p in ("c", "a", "b", "d", "a")])
    assert limited.refused == [5], "b has a stay and c, a were there before d"
    limited.take([logged(p, 2.1) for p in ("d",)])
    assert set(limited.scorer.table) == {"a", "b", "c", "d"}


def test_a_patient_who_is_new_in_the_batch_counts_on_the_next_day_too() -> None:
    limited = Limited(1)
    limited.take([logged("a", 0.9), logged("a", 1.1), logged("b", 1.2), logged("b", 2.1)])
    assert limited.refused == [2]


def test_without_a_limit_nobody_is_refused() -> None:
    limited = Limited(0)
    limited.take([logged(f"p{i}", 0.1) for i in range(300)])
    assert (len(limited.scorer.table), limited.refused) == (300, [])


def test_evicted_stays_count() -> None:
    limited = Limited(2)
    limited.take([logged("a", 0.1)])
    for number in range(2):
        limited.scorer.table.evicted.add(f"away{number}", number, (ORIGIN_MS // DAY_MS))
    limited.take([logged("b", 0.2), logged("c", 0.2, partition=1), logged("d", 0.2, partition=1)])
    assert limited.refused == [1, 3]


def test_what_needs_a_stay_is_refused_for_that() -> None:
    limited = Limited(1)
    limited.take([logged("a", 0.1)])
    columns = decode_events([record(discharge(1, "b"), timestamp_ms=ORIGIN_MS)], None)
    outcome = limited.scorer.score(columns, [0])
    assert [rejection.reason for rejection in outcome.rejections] == [Reason.NO_STAY]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.integers(1, 3),
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"), st.sampled_from([0, 0.4, 1.1, 2.9, 20]), st.integers(0, 1)
        ),
        max_size=16,
    ),
    st.lists(st.integers(1, 15), max_size=4),
    st.booleans(),
)
def test_cuts_and_moves_refuse_the_same(
    most_a_day: int, arrivals: list[Place], ends: list[int], in_order: bool
) -> None:
    # A patient has one partition; days of the log rise but for small steps back.
    homes = {patient: partition for patient, _, partition in reversed(arrivals)}
    if in_order:
        arrivals = sorted(arrivals, key=lambda arrival: arrival[1])
    log = [logged(patient, day, homes[patient]) for patient, day, _ in arrivals]
    whole, cut = Limited(most_a_day), Limited(most_a_day)
    whole.take(log)
    begin = 0
    for end in sorted({*(end for end in ends if end < len(log)), len(log)}):
        if end > begin:
            cut.take(log[begin:end])
            cut.move()
        begin = end
    assert cut.refused == whole.refused
    assert set(cut.scorer.table) == set(whole.scorer.table)
