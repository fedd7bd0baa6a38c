"""Fresh records: what has come since the last poll, for the batch that is polled now.

The consumer asks for more as soon as it has handed records over. The answer to that is as old as
the last batch: all that came while the batch was scored and committed is not in it, and would wait
for another batch to be over.
"""

from __future__ import annotations

from typing import Any, Final

from kafka import TopicPartition

from streamer.adapters.kafka.answers import ClientHung
from streamer.adapters.kafka.errors import NO_ANSWER
from streamer.core.records import Records

_FEW_RECORDS: Final = 1_000  # more are a backlog, which is worked off by size
_FRESH_MS: Final = 4  # a broker that has records answers within some 2 ms


def add_fresh(consumer: Any, fetched: dict[TopicPartition, list[Records]]) -> bool:
    """Adds what has just come to a few records that had been waiting.

    Args:
        consumer: it has handed ``fetched`` over. They must not be lost now, so whatever fails is
            left to the next poll, where it fails again.
        fetched: parts of records by partition; changed in place.

    Returns:
        Whether the client hangs.
    """
    if sum(len(part) for parts in fetched.values() for part in parts) > _FEW_RECORDS:
        return False
    try:
        fresh = consumer.poll(timeout_ms=_FRESH_MS)
    except ClientHung:
        return True
    except NO_ANSWER:
        return False
    for tp, parts in fresh.items():
        fetched.setdefault(tp, []).extend(parts)
    return False
