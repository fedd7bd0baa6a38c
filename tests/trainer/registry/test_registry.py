from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from streamer.adapters.memory.models import MemoryModels
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED
from streamer.ports.models import Superseded
from tests.support.small_models import random_bundle
from trainer.atomic import write_atomically
from trainer.errors import UnknownModel
from trainer.registry import publishing
from trainer.registry.publishing import reconcile, seed
from trainer.registry.registry import MOST_BEFORE, Aliases, Registry

BUNDLES = [random_bundle(seed) for seed in range(4)]
IDS = [bundle.model_id for bundle in BUNDLES]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def filled(registry: Registry) -> Registry:
    for bundle in BUNDLES:
        registry.add(bundle, "for a test")
    return registry


def test_a_new_registry_is_empty(registry: Registry) -> None:
    assert (registry.ids(), registry.aliases(), registry.history()) == ([], Aliases(), [])


def test_bundles_are_kept_as_they_are(registry: Registry) -> None:
    assert [registry.add(bundle, "why") for bundle in BUNDLES] == IDS
    assert registry.ids() == IDS
    assert registry.load(IDS[2]) == BUNDLES[2]
    registry.add(BUNDLES[0], "once more")
    assert [entry["what"] for entry in registry.history()] == ["added"] * 4


def test_models_are_found_by_id_beginning_and_alias(registry: Registry) -> None:
    filled(registry)
    registry.promote(IDS[1], "")
    registry.set_challenger(IDS[3], "")
    assert registry.find(IDS[0]) == registry.find(IDS[0][:8]) == IDS[0]
    assert (registry.find("champion"), registry.find("challenger")) == (IDS[1], IDS[3])
    for name in ("none", "", IDS[0] + "0"):
        with pytest.raises(UnknownModel):
            registry.find(name)


def test_an_ambiguous_beginning_is_refused(registry: Registry) -> None:
    (registry.folder / "bundles").mkdir(parents=True)
    for model in ("abc1", "abc2"):
        (registry.folder / "bundles" / model).mkdir()
        registry._note("added", model, "")
    with pytest.raises(UnknownModel, match="abc1, abc2"):
        registry.find("abc")


def test_aliases_without_a_model_are_refused(registry: Registry) -> None:
    for name in ("champion", "challenger"):
        with pytest.raises(UnknownModel, match=f"no {name}"):
            registry.find(name)


def test_rollback_walks_back_through_the_champions(registry: Registry) -> None:
    filled(registry)
    for model in IDS[:3]:
        registry.promote(model, "")
    assert registry.promote(IDS[2], "again") == IDS[2]  # and it is not its own predecessor
    assert [registry.rollback(""), registry.rollback("")] == [IDS[1], IDS[0]]
    with pytest.raises(UnknownModel, match="no champion before"):
        registry.rollback("")
    assert registry.aliases().champion == IDS[0]


def test_a_promoted_challenger_is_no_challenger_any_more(registry: Registry) -> None:
    filled(registry).promote(IDS[0], "")
    registry.set_challenger(IDS[1], "")
    registry.promote(IDS[2], "")
    assert registry.aliases().challenger == IDS[1]
    registry.promote(IDS[1], "")
    assert registry.aliases() == Aliases(IDS[1], None, (IDS[0], IDS[2]))


def test_the_way_back_is_long_but_has_an_end(registry: Registry) -> None:
    filled(registry)
    for i in range(MOST_BEFORE + 5):
        registry.promote(IDS[i % 2], "")
    assert len(registry.aliases().before) == MOST_BEFORE


def test_every_change_is_in_the_history_in_order(registry: Registry) -> None:
    registry.add(BUNDLES[0], "first")
    registry.add(BUNDLES[1], "second")
    registry.promote(IDS[0], "good")
    registry.promote(IDS[1], "better")
    registry.set_challenger(IDS[0], "worse")
    registry.rollback("not so good")
    assert [(e["what"], e["model"], e["why"]) for e in registry.history()] == [
        ("added", IDS[0], "first"),
        ("added", IDS[1], "second"),
        ("promoted", IDS[0], "good"),
        ("promoted", IDS[1], "better"),
        ("challenger", IDS[0], "worse"),
        ("rolled back", IDS[0], "not so good"),
    ]
    assert all(entry["time"].endswith("+00:00") for entry in registry.history())


def test_what_a_dead_process_left_half_done_is_no_harm(registry: Registry) -> None:
    half = registry.folder / "bundles" / f".{IDS[0]}.new"
    half.mkdir(parents=True)
    (half / "manifest.json").write_text("{")
    assert registry.ids() == []
    registry.add(BUNDLES[0], "")
    assert registry.load(IDS[0]) == BUNDLES[0]
    assert not half.exists()


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    with pytest.raises(RuntimeError), write_atomically(file) as new:
        new.write(b"new")
        assert file.read_bytes() == b"old"
        raise RuntimeError
    assert file.read_bytes() == b"old"
    with write_atomically(file) as new:
        new.write(b"new")
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_several_at_once_lose_nothing(registry: Registry) -> None:
    filled(registry)

    def promote(model: str) -> None:
        own = Registry(registry.folder)  # a lock of its own, as another process has
        for _ in range(5):
            own.promote(model, "")

    threads = [threading.Thread(target=promote, args=(model,)) for model in IDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    promoted = [e["model"] for e in registry.history() if e["what"] == "promoted"]
    aliases = registry.aliases()
    assert [*aliases.before, aliases.champion] == promoted
    assert set(promoted) == set(IDS)
    for line in (registry.folder / "history.jsonl").read_text().splitlines():
        assert json.loads(line)


def test_the_first_champion_is_the_shipped_bundle(registry: Registry) -> None:
    shipped = bundles.load(SHIPPED).model_id
    assert seed(registry) == registry.aliases().champion == shipped
    registry.promote(registry.add(BUNDLES[0], ""), "")
    assert seed(registry) == IDS[0]


def test_nothing_published_yet_publishes_the_champion(registry: Registry) -> None:
    channel = MemoryModels()
    filled(registry).promote(IDS[0], "")
    there = reconcile(registry, channel)
    assert there == channel.champion()
    assert (there.model_id, there.version, registry.aliases().published) == (IDS[0], 1, 1)
    assert channel.fetch(IDS[0]) == BUNDLES[0].to_bytes()
    history = registry.history()
    assert reconcile(registry, channel) == there
    assert registry.history() == history  # what agrees stays untouched


def test_what_was_decided_without_the_channel_is_published_later(registry: Registry) -> None:
    channel = MemoryModels()
    filled(registry).promote(IDS[0], "")
    reconcile(registry, channel)
    registry.promote(IDS[1], "")  # Redis is away
    assert reconcile(registry, channel).model_id == IDS[1]
    assert registry.aliases().published == 2


def test_what_another_published_stands(registry: Registry) -> None:
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
def test_what_another_published_must_be_what_it_says(registry: Registry, packed: bytes) -> None:
    channel = MemoryModels()
    filled(registry).promote(IDS[0], "")
    channel.publish("0123456789ab", packed, 0)
    there = reconcile(registry, channel)
    assert (there.model_id, there.version) == (IDS[0], 2)


def test_a_channel_that_lost_everything_gets_the_champion_again(registry: Registry) -> None:
    filled(registry).promote(IDS[0], "")
    reconcile(registry, MemoryModels())
    registry.promote(IDS[1], "")
    there = reconcile(registry, MemoryModels())
    assert (there.model_id, there.version) == (IDS[1], 1)


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


def test_publishing_in_the_same_moment_is_noticed(
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
