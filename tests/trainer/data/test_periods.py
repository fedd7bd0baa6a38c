"""The split in time: no patient on two sides of it, and nothing newer than training in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.core.time import DAY_MS, HOUR_MS
from trainer.archive.stay_ids import stay_id
from trainer.data.periods import divide, person_of
from trainer.data.split import side_of

NOW_MS = 1000 * DAY_MS
FROZEN_MS = 800 * DAY_MS


def stays(n: int = 300, seed: int = 0) -> tuple[list[str], NDArray[np.int64]]:
    """Ids of stays, a third of them readmissions, and their discharges over 600 days."""
    draws = np.random.default_rng(seed)
    ids = [
        stay_id(f"{i % 200:032x}", (i % 200) * 50, 1 + i // 200, is_plain=False)
        for i in draws.permutation(n).tolist()
    ]
    return ids, np.sort(draws.integers(400 * DAY_MS, NOW_MS - 72 * HOUR_MS, n))


def test_training_is_before_the_newest_weeks_and_shares_no_patient_with_them() -> None:
    ids, discharge_ms = stays()
    periods = divide(ids, discharge_ms, NOW_MS, FROZEN_MS)
    assert periods.newest is not None
    begin_ms = NOW_MS - 72 * HOUR_MS - 56 * DAY_MS
    assert len(periods.training) > 100
    assert discharge_ms[periods.training].max() <= begin_ms
    assert len(periods.newest) > 5
    assert discharge_ms[periods.newest].min() > begin_ms
    people = [
        {person_of(ids[i]) for i in part}
        for part in (periods.training, periods.frozen, periods.newest)
    ]
    assert not people[0] & people[1]
    assert not people[2] & (people[0] | people[1])


def test_the_frozen_test_is_of_the_test_side_up_to_its_day_and_never_changes() -> None:
    ids, discharge_ms = stays()
    frozen = divide(ids, discharge_ms, NOW_MS, FROZEN_MS).frozen
    assert {side_of(ids[i]) for i in frozen} == {"test"}
    assert discharge_ms[frozen].max() <= FROZEN_MS
    later = divide(ids, discharge_ms, NOW_MS + 100 * DAY_MS, FROZEN_MS).frozen
    assert later.tolist() == frozen.tolist()


def test_a_young_archive_has_no_newest_weeks() -> None:
    ids, discharge_ms = stays()
    young = discharge_ms > NOW_MS - 100 * DAY_MS
    kept = [patient for patient, is_young in zip(ids, young, strict=True) if is_young]
    periods = divide(kept, discharge_ms[young], NOW_MS, FROZEN_MS)
    assert periods.newest is None
    n_training = sum(side_of(patient) != "test" for patient in kept)
    assert len(periods.training) == n_training  # or there would be nobody to learn from
