"""Each parser reads all records of the fetch that it is timed with."""

from __future__ import annotations

import pytest

from bench.loads import hourly
from bench.record_batches import by_column, by_record, copied, cost_us, fetch


@pytest.mark.parametrize("per_batch", [1, 7, 100])
def test_all_parsers_read_the_same_records(per_batch: int) -> None:
    messages = list(hourly(rows=40, stays=4))
    content, n = fetch(messages, per_batch, codec=0)
    assert n == 40
    assert by_record(content) == by_column(content) == n
    assert copied(content) == len(content)
    assert all(cost > 0 for cost in cost_us(content, n, repeats=1).values())
