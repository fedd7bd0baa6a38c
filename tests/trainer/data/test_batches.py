from __future__ import annotations

import numpy as np
import pytest

from streamer.datasets.cohort import Cohort
from tests.support.synthetic_cohort import learnable_file
from trainer.data.batches import TABLE_STAYS, by_length, padded, shuffled, some_at_a_time
from trainer.data.cohort import load_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return load_cohort([learnable_file(tmp_path_factory.mktemp("data"), 40)])


def test_a_batch_holds_whole_stays_and_says_where_they_end(cohort: Cohort) -> None:
    stays = np.array([4, 0, 9])
    batch = padded(cohort, stays)
    assert batch.rows.shape == (cohort.lengths[stays].max(), 3)
    for column, stay in enumerate(stays):
        real = batch.rows[batch.real[:, column], column]
        assert real.tolist() == list(range(cohort.starts[stay], cohort.starts[stay + 1]))
        assert (batch.rows[:, column] < cohort.starts[stay + 1]).all()


@pytest.mark.parametrize("kind", ["shuffled", "by_length"])
def test_every_stay_comes_once(cohort: Cohort, kind: str) -> None:
    stays = np.arange(3, 38)
    draws = np.random.default_rng(1)
    batches = (
        shuffled(cohort, stays, 4, draws) if kind == "shuffled" else by_length(cohort, stays, 4)
    )
    rows = np.sort(np.concatenate([batch.rows[batch.real] for batch in batches]))
    expected = np.concatenate([np.arange(cohort.starts[i], cohort.starts[i + 1]) for i in stays])
    np.testing.assert_array_equal(rows, expected)


def test_epochs_differ_and_can_be_drawn_again(cohort: Cohort) -> None:
    def order(seed: int) -> list[int]:
        draws = np.random.default_rng(seed)
        batches = shuffled(cohort, np.arange(40), 4, draws)
        return [int(row) for batch in batches for row in batch.rows[0]]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_parts_of_a_table_keep_the_order_of_the_stays() -> None:
    stays = np.arange(2 * TABLE_STAYS + 5)[::-1]
    parts = list(some_at_a_time(stays))
    assert [len(part) for part in parts] == [TABLE_STAYS, TABLE_STAYS, 5]
    np.testing.assert_array_equal(np.concatenate(parts), stays)
