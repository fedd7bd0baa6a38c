"""Labels of archived stays: from the outcome that counts, and nothing that nobody vouches for."""

from __future__ import annotations

import pytest

from streamer.core.time import HOUR_MS
from trainer.archive.labels import Outcome, Span, StayLabel, label_column, label_stays

NOW_MS = 1000 * HOUR_MS
STAY = Span("p", 100 * HOUR_MS, 140 * HOUR_MS, first_bin=0, hours=40)


def said(kind: str, hour: float, decided: float = 500, order: int = 0) -> Outcome:
    return Outcome(kind, round(hour * HOUR_MS), round(decided * HOUR_MS), ("t", 0, order))


def label_of(*outcomes: Outcome, stay: Span = STAY) -> StayLabel | None:
    [label] = label_stays([stay], {"p": list(outcomes)}, NOW_MS).of_stay
    return label


@pytest.mark.parametrize(
    ("onset", "hours", "first"),
    [
        (120, 24, 14),  # 1 from six hours before; three hours after it are the last
        (120.5, 24, 15),  # of a label that turns within an hour the next hour is the first
        (103, 7, 0),  # before admission it had turned already
        (139, 40, 33),
        (146, 40, None),  # it turns after the last hour
    ],
)
def test_the_label_turns_six_hours_before_onset_and_ends_three_after(
    onset: float, hours: int, first: int | None
) -> None:
    assert label_of(said("sepsis_onset", onset)) == StayLabel(hours, first)


def test_the_first_bin_need_not_be_that_of_admission() -> None:
    late = STAY._replace(first_bin=10, hours=30)
    assert label_of(said("sepsis_onset", 120), stay=late) == StayLabel(14, 4)
    column = label_column(StayLabel(14, 4)).tolist()
    assert column == [0] * 4 + [1] * 10


def test_without_sepsis_nobody_vouches_for_what_comes_after() -> None:
    assert label_of(said("no_sepsis", 140)) == StayLabel(40, None)
    assert label_of(said("no_sepsis", 120)) == StayLabel(20, None)
    assert label_of(said("no_sepsis", 100)) is None


def test_of_several_the_last_decided_counts_and_then_the_later_record() -> None:
    onset, none = said("sepsis_onset", 120, 400), said("no_sepsis", 140, 600)
    assert label_of(onset, none) == label_of(none, onset) == StayLabel(40, None)
    same = said("no_sepsis", 140, 400, order=1)
    assert label_of(onset, same) == label_of(same, onset) == StayLabel(40, None)
    assert label_of(onset, said("unknown", 140, 600)) is None
    assert label_of(onset, onset) == label_of(onset)


def test_an_outcome_is_of_the_stay_that_it_falls_into() -> None:
    second = Span("p", 150 * HOUR_MS, 200 * HOUR_MS, 0, 50)
    labels = label_stays([STAY, second], {"p": [said("no_sepsis", 160)]}, NOW_MS)
    assert labels.of_stay == [None, StayLabel(10, None)]
    between = label_stays([STAY, second], {"p": [said("no_sepsis", 145)]}, NOW_MS)
    assert between.of_stay == [StayLabel(40, None), None]
    labels = label_stays(
        [STAY], {"p": [said("no_sepsis", 300)], "q": [said("no_sepsis", 1)]}, NOW_MS
    )
    assert (labels.of_stay, labels.n_unmatched) == ([None], 2)


def test_what_is_ahead_of_the_log_waits() -> None:
    ahead = said("sepsis_onset", 120, decided=1001)
    labels = label_stays([STAY], {"p": [ahead]}, NOW_MS)
    assert (labels.of_stay, labels.n_future) == ([None], 1)
