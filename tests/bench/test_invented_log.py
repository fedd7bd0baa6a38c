from __future__ import annotations

from bench.independent_oracle.ledger import Event, read
from bench.invented_log import invented_log


def test_a_log_is_in_the_order_of_its_times_and_has_everything() -> None:
    log = invented_log(seed=2)
    assert log == invented_log(seed=2) != invented_log(seed=3)
    assert [record.offset for record in log] == list(range(len(log)))
    stamps = [record.timestamp_ms for record in log]
    assert stamps == sorted(stamps)
    assert stamps[-1] - stamps[0] > 20 * 24 * 3_600_000
    events = [read(record, 3_600_000) for record in log]
    kinds = {event.type for event in events if isinstance(event, Event)}
    assert kinds == {"observation", "admission", "discharge", "medication"}
    reasons = set().union(*(event for event in events if isinstance(event, set)))
    assert len(reasons) > 9
