from __future__ import annotations

import json
from pathlib import Path

import pytest
import structlog

from streamer.adapters.memory.models import MemoryModels
from streamer.bundles import bundle as bundles
from streamer.bundles.acceptance import BundleRefused, Trust, accept_bytes
from streamer.bundles.bundle import SHIPPED, Bundle
from streamer.ports.models import Superseded
from streamer.service.models import ModelLibrary
from tests.support.bad_bundles import KEY, STRANGER, Bad, bad_bundles, good
from tests.support.small_models import random_bundle
from trainer.errors import UnknownModel
from trainer.registry import publishing
from trainer.registry.publishing import reconcile, seed
from trainer.registry.registry import Registry

BUNDLES = [random_bundle(seed) for seed in range(4)]
IDS = [bundle.model_id for bundle in BUNDLES]


@pytest.fixture(scope="module")
def bad() -> tuple[Bad, ...]:
    return bad_bundles()


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


@pytest.mark.parametrize("which", [1, 2, 9, 14])
def test_a_refused_publication_is_rolled_back_without_being_read(
    registry: Registry, bad: tuple[Bad, ...], which: int
) -> None:
    channel = MemoryModels()
    filled(registry).promote(IDS[0], "")
    reconcile(registry, channel)
    published = bad[which]
    channel.publish(published.model_id, published.packed, 1)
    back = publishing.rollback(registry, channel, "it is broken")
    assert (back.model_id, back.version) == (IDS[0], 3)
    assert registry.aliases().before == (), "the champion was never another"
    assert registry.history()[-2]["what"] == "rolled back"


@pytest.mark.parametrize("is_gone", [True, False])
@pytest.mark.parametrize("command", ["run", "promote", "rollback"])
def test_a_lost_or_overwritten_champion_is_published_again(
    registry: Registry, bad: tuple[Bad, ...], command: str, is_gone: bool
) -> None:
    channel = MemoryModels()
    for model in IDS[:2]:
        filled(registry).promote(model, "")
        reconcile(registry, channel)
    del channel._bundles[IDS[1]]
    if not is_gone:
        channel._bundles[IDS[1]] = bad[0].packed
    ways = {
        "run": lambda: reconcile(registry, channel),
        "promote": lambda: publishing.promote(registry, channel, IDS[1], "again"),
        "rollback": lambda: publishing.rollback(registry, channel, "its bytes are other ones"),
    }
    assert ways[command]().model_id == IDS[1]
    assert channel.fetch(IDS[1]) == BUNDLES[1].to_bytes()
    assert registry.aliases().champion == IDS[1]
    assert IDS[1] not in registry.aliases().quarantined


def test_a_champion_that_nobody_takes_is_rolled_back_though_its_publication_is_refused(
    tmp_path: Path,
) -> None:
    registry, channel = Registry(tmp_path / "registry", Trust((KEY.public,))), MemoryModels()
    first, second = (registry.add(good(seed), "") for seed in (1, 2))
    registry.promote(first, "")
    reconcile(registry, channel)
    unsigned = registry.add(BUNDLES[0], "")
    registry.promote(unsigned, "")
    channel.publish(unsigned, BUNDLES[0].to_bytes(), 1)
    assert publishing.rollback(registry, channel, "").model_id == first
    assert unsigned in registry.aliases().quarantined
    assert publishing.promote(registry, channel, second, "").model_id == second


def test_a_champion_that_another_key_has_signed_is_published_with_both_signatures(
    tmp_path: Path,
) -> None:
    """Keys are changed while services trust both; then the first may be taken from them."""
    both = Trust((KEY.public, STRANGER.public))
    registry, channel = Registry(tmp_path / "registry", both), MemoryModels()
    model = publishing.promote(registry, channel, registry.add(good(1), ""), "").model_id
    service = ModelLibrary(channel, both)
    assert service.in_force().model_id == model
    registry.sign(model, STRANGER)
    version = publishing.promote(registry, channel, model, "signed by the new key").version
    assert publishing.promote(registry, channel, model, "").version == version, "once"
    assert service.in_force().model_id == model
    for packed in (channel.fetch(model), service.bundle_of(service.in_force()).to_bytes()):
        assert packed is not None
        accept_bytes(packed, model, Trust((STRANGER.public,)))
        accept_bytes(packed, model, Trust((KEY.public,)))
    other = Registry(tmp_path / "other", both)
    other.promote(other.add(good(1), ""), "")
    assert reconcile(other, channel).version == version, "it takes the signature over"
    assert len(other.load(model).signatures) == 2


def test_an_empty_registry_rolls_a_refused_publication_back_to_the_shipped_model(
    registry: Registry, bad: tuple[Bad, ...]
) -> None:
    channel = MemoryModels()
    channel.publish(bad[0].model_id, bad[0].packed, 0)
    back = publishing.rollback(registry, channel, "")
    assert (back.model_id, back.version) == (bundles.load(SHIPPED).model_id, 2)


def test_a_foreign_model_is_adopted_only_if_a_trusted_key_signed_it(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry", Trust((KEY.public,)))
    shipped = seed(registry)
    for foreign, is_adopted in ((random_bundle(1), False), (STRANGER.sign(random_bundle(1)), False),
                                (good(1), True)):  # fmt: skip
        channel = MemoryModels()
        channel.publish(foreign.model_id, foreign.to_bytes(), 0)
        with structlog.testing.capture_logs() as entries:
            in_force = reconcile(registry, channel)
        assert in_force.model_id == (foreign.model_id if is_adopted else shipped)
        refusals = [e["reason"] for e in entries if e["event"] == "published model refused"]
        assert bool(refusals) != is_adopted


def test_a_champion_that_services_would_refuse_is_not_published(tmp_path: Path) -> None:
    registry, channel = Registry(tmp_path / "registry"), MemoryModels()
    registry.promote(registry.add(BUNDLES[0], ""), "by an earlier version")
    with pytest.raises(BundleRefused, match="trainer models sign"):
        reconcile(registry, channel)
    assert channel.champion() is None
    with pytest.raises(BundleRefused):
        publishing.promote(registry, channel, registry.add(BUNDLES[1], ""), "")
    assert registry.aliases().champion == IDS[0]
    registry.trust = Trust((KEY.public,))
    signed = good(2)
    in_force = publishing.promote(registry, channel, registry.add(signed, ""), "")
    assert in_force.model_id == signed.model_id


def test_a_publication_while_the_champion_is_tried_is_not_overwritten(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = MemoryModels()
    filled(registry).promote(IDS[0], "")
    reconcile(registry, channel)
    registry.promote(IDS[1], "")
    accept = registry.accept

    def slow(name: str) -> Bundle:
        channel.publish(IDS[2], BUNDLES[2].to_bytes(), 1)
        return accept(name)

    with monkeypatch.context() as patch:
        patch.setattr(registry, "accept", slow)
        with pytest.raises(Superseded):
            reconcile(registry, channel)
    assert reconcile(registry, channel).model_id == IDS[2]


def test_a_seeded_and_an_adopted_champion_have_their_audit_lines(registry: Registry) -> None:
    channel = MemoryModels()
    reconcile(registry, channel)
    channel.publish(IDS[2], BUNDLES[2].to_bytes(), 1)
    reconcile(registry, channel)
    lines = [json.loads(line) for line in registry.audit_file.read_text().splitlines()]
    shipped = bundles.load(SHIPPED).model_id
    assert [(line["action"], line["object"].partition(",")[0]) for line in lines] == [
        ("promote", shipped),
        ("promote", IDS[2]),
    ]
