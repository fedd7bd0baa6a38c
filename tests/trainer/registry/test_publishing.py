from __future__ import annotations

from pathlib import Path

import pytest

from streamer.adapters.memory.models import MemoryModels
from streamer.bundles import bundle as bundles
from streamer.bundles.acceptance import Trust
from streamer.bundles.bundle import SHIPPED
from streamer.ports.models import Superseded
from tests.support.small_models import random_bundle
from trainer.errors import UnknownModel
from trainer.registry import publishing
from trainer.registry.publishing import reconcile, seed
from trainer.registry.registry import Registry

BUNDLES = [random_bundle(seed) for seed in range(4)]


IDS = [bundle.model_id for bundle in BUNDLES]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry", Trust(allow_unsigned=True))


def filled(registry: Registry) -> Registry:
    for bundle in BUNDLES:
        registry.add(bundle, "for a test")
    return registry


def test_the_first_champion_is_the_shipped_bundle(registry: Registry) -> None:
    shipped = bundles.load(SHIPPED).model_id
    assert seed(registry) == registry.aliases().champion == shipped
    registry.promote(registry.add(BUNDLES[0], ""), "")
    assert seed(registry) == IDS[0]


def test_nothing_published_yet_publishes_the_champion(registry: Registry) -> None:
    channel = MemoryModels()
    filled(registry).promote(IDS[0], "")
    in_force = reconcile(registry, channel)
    assert in_force == channel.champion()
    assert (in_force.model_id, in_force.version, registry.aliases().published) == (IDS[0], 1, 1)
    assert channel.fetch(IDS[0]) == BUNDLES[0].to_bytes()
    history = registry.history()
    assert reconcile(registry, channel) == in_force
    assert registry.history() == history  # what agrees stays untouched


def test_a_promotion_without_the_channel_is_published_later(registry: Registry) -> None:
    channel = MemoryModels()
    filled(registry).promote(IDS[0], "")
    reconcile(registry, channel)
    registry.promote(IDS[1], "")  # Redis is away
    assert reconcile(registry, channel).model_id == IDS[1]
    assert registry.aliases().published == 2


def test_another_trainers_publication_stands(registry: Registry) -> None:
    channel = MemoryModels()
    filled(registry).promote(IDS[0], "")
    reconcile(registry, channel)
    registry.promote(IDS[1], "decided while the other did")
    elsewhere = random_bundle(9)
    channel.publish(elsewhere.model_id, elsewhere.to_bytes(), 1)
    assert reconcile(registry, channel).model_id == elsewhere.model_id
    assert registry.load("champion") == elsewhere
    assert (registry.aliases().before, registry.aliases().published) == ((IDS[0], IDS[1]), 2)


@pytest.mark.parametrize("packed", [b"broken", BUNDLES[3].to_bytes()])
def test_a_broken_or_wrong_publication_is_replaced_by_the_champion(
    registry: Registry, packed: bytes
) -> None:
    channel = MemoryModels()
    filled(registry).promote(IDS[0], "")
    channel.publish("0123456789ab", packed, 0)
    in_force = reconcile(registry, channel)
    assert (in_force.model_id, in_force.version) == (IDS[0], 2)


def test_a_channel_that_lost_everything_gets_the_champion_again(registry: Registry) -> None:
    filled(registry).promote(IDS[0], "")
    reconcile(registry, MemoryModels())
    registry.promote(IDS[1], "")
    in_force = reconcile(registry, MemoryModels())
    assert (in_force.model_id, in_force.version) == (IDS[1], 1)


def test_promote_and_rollback_put_in_force(registry: Registry) -> None:
    channel = MemoryModels()
    filled(registry).promote(IDS[0], "")
    assert publishing.promote(registry, channel, IDS[2], "").model_id == IDS[2]
    assert channel.champion() is not None
    back = publishing.rollback(registry, channel, "")
    assert (back.model_id, back.version) == (IDS[0], 3)
    assert channel.champion() == back
    with pytest.raises(UnknownModel):
        publishing.promote(registry, channel, "nobody", "")
    assert channel.champion() == back


def test_publishing_at_the_same_moment_is_detected(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = MemoryModels()
    filled(registry).promote(IDS[0], "")
    reconcile(registry, channel)
    registry.promote(IDS[1], "")
    before = channel.champion()
    channel.publish(IDS[2], BUNDLES[2].to_bytes(), 1)
    with monkeypatch.context() as patch:
        patch.setattr(channel, "champion", lambda: before)  # looked just before the other did
        with pytest.raises(Superseded):
            reconcile(registry, channel)
    assert reconcile(registry, channel).model_id == IDS[2]
