from __future__ import annotations

from streamer.adapters.memory.models import MemoryModels
from streamer.board.model_facts import UNKNOWN, ModelShelf
from tests.support.small_models import random_bundle


def test_a_model_that_is_published_later_is_known_then_and_read_once() -> None:
    channel, bundle, looks = MemoryModels(), random_bundle(5), 0

    def open_channel() -> MemoryModels:
        nonlocal looks
        looks += 1
        return channel

    shelf = ModelShelf(open_channel)
    assert shelf.read(bundle.shown_id) is UNKNOWN
    channel.publish(bundle.model_id, bundle.to_bytes(), 0)
    facts = shelf.read(bundle.shown_id)
    assert facts.alert_threshold == bundle.manifest["alert_policy"]["medium"]
    assert (shelf.read(bundle.shown_id), looks) == (facts, 2)
