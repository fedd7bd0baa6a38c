from __future__ import annotations

import pytest
import structlog

from streamer.adapters.memory.models import MemoryModels
from streamer.bundles import bundle
from streamer.ports.states import StoreUnavailable
from streamer.service.models import KEPT, ModelLibrary
from tests.support.small_models import random_bundle

SHIPPED = bundle.load(bundle.SHIPPED).model_id


def publish(channel: MemoryModels, seed: int) -> str:
    """Publishes a model with random weights; returns its id."""
    champion = channel.champion()
    content = random_bundle(seed)
    channel.publish(content.model_id, content.to_bytes(), champion.version if champion else 0)
    return content.model_id


@pytest.mark.parametrize("channel", [None, MemoryModels()], ids=["no channel", "nothing there"])
def test_without_a_publication_the_shipped_model_is_in_force(channel: MemoryModels | None) -> None:
    library = ModelLibrary(channel)
    assert library.in_force().model_id == SHIPPED
    assert library.get(SHIPPED) is library.in_force()


def test_the_champion_is_in_force_and_earlier_models_are_found() -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel)
    first, second = publish(channel, 1), publish(channel, 2)
    assert library.in_force().model_id == second
    earlier = library.get(first)
    assert earlier is not None
    assert earlier.model_id == first
    assert library.get("unknown") is None


def test_a_damaged_bundle_is_logged_once_and_the_fallback_stays() -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel)
    before = library.in_force()
    channel.publish("damaged", b"not a bundle", 0)
    with structlog.testing.capture_logs() as entries:
        assert library.in_force(fallback=before) is before
        assert library.in_force(fallback=before) is before
        with pytest.raises(StoreUnavailable, match="damaged is published and cannot be used"):
            library.in_force()
    assert [(entry["event"], entry["model"]) for entry in entries] == [("model refused", "damaged")]


def test_built_models_are_bounded() -> None:
    channel = MemoryModels()
    library = ModelLibrary(channel)
    ids = [publish(channel, seed) for seed in range(1, KEPT + 2)]
    models = [library.get(model_id) for model_id in ids]
    assert None not in models
    assert library.get(ids[-1]) is models[-1], "the newest is built once"
    assert library.get(ids[0]) is not models[0], "the oldest was dropped and is built again"
