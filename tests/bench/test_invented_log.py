from __future__ import annotations

import itertools

from bench.independent_oracle.ledger import Event, read
from bench.invented_log import invented_log


def test_a_log_is_in_the_order_of_its_times_and_has_everything() -> None:
    log = invented_log(seed=2)
    assert log == invented_log(seed=2) != invented_log(seed=3)
    assert [record.offset for record in log] == list(range(len(log)))
    stamps = [record.timestamp_ms for record in log]
    behind = sum(b < a for a, b in itertools.pairwise(stamps))
    assert 0 < behind < len(log) / 50  # of a wrong clock
    assert stamps[-1] - stamps[0] > 20 * 24 * 3_600_000
    events = [read(record, 3_600_000) for record in log]
    kinds = {event.type for event in events if isinstance(event, Event)}
    assert kinds == {"observation", "admission", "discharge", "transfer", "medication"}
    good = [event for event in events if isinstance(event, Event)]
    assert any(event.fields.get("cancelled") for event in good)
    corrections = [event.fields for event in good if event.fields.get("revision")]
    values = [fields["values"] for fields in corrections]
    assert any(isinstance(one, dict) and None in one.values() for one in values)
    reasons = set().union(*(event for event in events if isinstance(event, set)))
    assert len(reasons) > 9
