from __future__ import annotations

import pytest

from streamer.adapters.memory.states import MemoryStates
from streamer.core.codec import Era
from streamer.core.columns import Columns, decode
from streamer.ports.states import HomesLost
from streamer.service.stay_cache import StayCache
from streamer.service.takeover import Partition
from tests.support.event_stream import Event, discharge, observation, record
from tests.support.small_models import random_model

OLD, NEW = random_model(1), random_model(2)
OWNED = {p: Partition(p, 1, 0, 0, 0, "topic-a", Era(OLD.model_id)) for p in (0, 1)}


def columns(*events: Event) -> Columns:
    return decode([record(event) for event in events], None)


@pytest.fixture
def cache() -> StayCache:
    """Two models in use; the old one's table has a patient of partition 0."""
    cache = StayCache(interval_ms=0, max_stays=0)
    cache.scorer(NEW)
    cache.scorer(OLD).table.add("p", 0)
    return cache


@pytest.mark.parametrize("event", [observation(1), discharge(1)])
def test_a_patient_of_another_models_table_is_at_home_there(cache: StayCache, event: Event) -> None:
    assert cache.claim_partition(MemoryStates(), OWNED, columns(event), [1]) == {"p": 0}
    assert cache.claim_partition(MemoryStates(), OWNED, columns(event), [0]) == {}


def test_a_new_patient_is_at_home_where_the_first_event_came(cache: StayCache) -> None:
    states = MemoryStates()
    states.claim_partition("topic-a", 0, 1, ["q"])
    events = columns(observation(1, "q"), observation(1, "r"), discharge(1, "s"))
    with pytest.raises(HomesLost):
        cache.claim_partition(states, OWNED, events, [1, 1, 1])
    states.complete_homes("topic-a")
    assert cache.claim_partition(states, OWNED, events, [1, 1, 1]) == {"q": 0}
    assert states.claim_partition("topic-a", 2, 1, ["q", "r", "s"]) == {"q": 0, "r": 1}


def test_tables_of_unused_models_are_dropped(cache: StayCache) -> None:
    cache.keep({NEW.model_id})
    assert list(cache.scorers) == [NEW.model_id]
