from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streamer.bundles.acceptance import BundleRefused, Trust
from streamer.bundles.bundle import Bundle
from tests.support.bad_bundles import KEY, colliding, with_bias
from tests.support.small_models import random_bundle
from trainer.errors import Quarantined, UnknownModel
from trainer.registry import keys
from trainer.registry.aliases import MOST_BEFORE, Aliases
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


def test_an_ambiguous_beginning_is_rejected(registry: Registry) -> None:
    (registry.folder / "bundles").mkdir(parents=True)
    for model in ("abc1", "abc2"):
        (registry.folder / "bundles" / model).mkdir()
        registry._note("added", model, "")
    with pytest.raises(UnknownModel, match="abc1, abc2"):
        registry.find("abc")


def test_two_models_with_the_same_twelve_digits_stand_side_by_side(registry: Registry) -> None:
    first, second = colliding()
    assert [registry.add(bundle, "") for bundle in (first, second)] == registry.ids()
    assert [registry.load(bundle.model_id) for bundle in (first, second)] == [first, second]
    with pytest.raises(UnknownModel, match=f"{first.model_id}.*give more digits"):
        registry.find(first.shown_id)
    registry.promote(first.model_id, "")
    registry.promote(second.model_id, "")
    assert registry.aliases().before == (first.model_id,)


def test_aliases_without_a_model_are_rejected(registry: Registry) -> None:
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


def test_a_folder_that_is_missing_is_told_from_a_model(registry: Registry) -> None:
    with pytest.raises(UnknownModel, match="no folder of a bundle has that name"):
        registry.find("runs/first/bundle")


def test_a_promoted_challenger_is_not_the_challenger_any_more(registry: Registry) -> None:
    filled(registry).promote(IDS[0], "")
    registry.set_challenger(IDS[1], "")
    registry.promote(IDS[2], "")
    assert registry.aliases().challenger == IDS[1]
    registry.promote(IDS[1], "")
    assert registry.aliases() == Aliases(IDS[1], None, (IDS[0], IDS[2]))


def test_rollback_keeps_a_limited_number_of_champions(registry: Registry) -> None:
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


def test_an_incomplete_bundle_of_a_dead_process_is_replaced(registry: Registry) -> None:
    half = registry.folder / "bundles" / f".{IDS[0]}.new"
    half.mkdir(parents=True)
    (half / "manifest.json").write_text("{")
    assert registry.ids() == []
    registry.add(BUNDLES[0], "")
    assert registry.load(IDS[0]) == BUNDLES[0]
    assert not half.exists()


def test_concurrent_changes_are_all_kept(registry: Registry) -> None:
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


def as_before(registry: Registry) -> None:
    """Makes the folder what an earlier version left: names of twelve digits, and no chain."""
    for model in IDS[:2]:
        (registry.folder / "bundles" / model).rename(registry.folder / "bundles" / model[:12])
    for name in ("aliases.json", "history.jsonl"):
        text = (registry.folder / name).read_text()
        for model in IDS:
            text = text.replace(model, model[:12])
        (registry.folder / name).write_text(re.sub(', "chain": "[0-9a-f]+"', "", text))


def test_a_registry_of_an_earlier_version_is_read_and_carried_on(registry: Registry) -> None:
    for model in IDS[:2]:
        registry.add(BUNDLES[IDS.index(model)], "")
        registry.promote(model, "")
    as_before(registry)
    assert registry.ids() == [model[:12] for model in IDS[:2]]
    assert registry.find("champion") == IDS[1][:12]
    assert registry.load("champion") == BUNDLES[1]
    assert registry.history_faults() == []

    registry.add(BUNDLES[2], "the first change")
    assert registry.ids() == IDS[:3]
    assert registry.aliases() == Aliases(IDS[1], None, (IDS[0],))
    assert [entry["what"] for entry in registry.history_of(IDS[1])] == ["added", "promoted"]
    assert registry.rollback("") == IDS[0]
    assert registry.history_faults() == []


def days_from_now(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def test_a_champion_is_as_old_as_its_last_promotion_or_return(registry: Registry) -> None:
    assert registry.champion_days(days_from_now(30)) == 0
    filled(registry)
    for model in IDS[:2]:
        registry.promote(model, "")
    registry.rollback("")
    registry.set_challenger(IDS[2], "")
    assert registry.champion_days(days_from_now(30)) == pytest.approx(30, abs=0.01)


def test_a_champion_that_an_earlier_version_named_has_its_age(registry: Registry) -> None:
    for model in IDS[:2]:
        registry.add(BUNDLES[IDS.index(model)], "")
        registry.promote(model, "")
    as_before(registry)
    assert registry.champion_days(days_from_now(30)) == pytest.approx(30, abs=0.01)
    registry.add(BUNDLES[2], "the first change")
    assert registry.aliases().champion == IDS[1]
    assert registry.champion_days(days_from_now(30)) == pytest.approx(30, abs=0.01)
    assert [entry["what"] for entry in registry.history()].count("promoted") == 2


def test_what_was_rolled_back_is_in_quarantine_until_a_person_forces_it(
    registry: Registry,
) -> None:
    filled(registry)
    for model in IDS[:2]:
        registry.promote(model, "")
    registry.rollback("too many alerts")
    with pytest.raises(Quarantined, match="--force"):
        registry.promote(IDS[1], "again")
    assert registry.aliases().champion == IDS[0]
    registry.promote(IDS[1], "the ward asks for it", force=True)
    assert (registry.aliases().champion, registry.aliases().quarantined) == (IDS[1], ())


def test_a_rollback_passes_over_what_may_not_be_champion_and_reads_not_the_present_one(
    registry: Registry,
) -> None:
    filled(registry)
    for model in IDS:
        registry.promote(model, "")
    for model in IDS[2:]:
        (registry.folder / "bundles" / model / "manifest.json").write_text("[" * 100_000)
    assert registry.rollback("") == IDS[1]
    assert registry.aliases().before == (IDS[0],)


def test_only_what_is_signed_may_be_champion(registry: Registry, tmp_path: Path) -> None:
    key = keys.new(tmp_path / "keys", "ours")
    strict = Registry(registry.folder, Trust((key.public,)), key)
    strict.add(BUNDLES[0], "")
    with pytest.raises(BundleRefused, match="not signed"):
        strict.accept(IDS[0])
    assert strict.sign(IDS[0][:6], key) == IDS[0]
    assert strict.accept(IDS[0]).model_id == IDS[0]
    assert strict.history()[-1]["what"] == "signed"
    lines = [json.loads(line) for line in strict.audit_file.read_text().splitlines()]
    assert [(line["action"], line["object"], line["outcome"]) for line in lines] == [
        ("sign", f"{IDS[0]}, history {strict.history_head()}", "done")
    ]


def test_nobody_signs_what_cannot_be_used(registry: Registry, tmp_path: Path) -> None:
    key = keys.new(tmp_path / "keys", "ours")
    mute = with_bias(-1000.0)
    registry.add(mute, "")
    with pytest.raises(BundleRefused, match="never alert"):
        registry.sign(mute.model_id, key)
    assert registry.load(mute.model_id).signatures == ()
    assert "failed" in registry.audit_file.read_text()


def test_a_copy_with_signatures_gives_them_to_the_one_that_is_kept(registry: Registry) -> None:
    registry.add(BUNDLES[0], "")
    signed = KEY.sign(BUNDLES[0])
    registry.add(signed, "")
    assert registry.load(IDS[0]) == signed
    registry.add(BUNDLES[0], "")
    assert registry.load(IDS[0]) == signed, "an unsigned copy takes nothing away"


def test_signatures_of_two_keys_are_both_kept(registry: Registry, tmp_path: Path) -> None:
    other = keys.new(tmp_path / "keys", "other")
    content = replace(BUNDLES[0], known=KEY.sign(BUNDLES[0]).known)
    registry.add(KEY.sign(content), "")
    registry.add(other.sign(content), "")
    kept = registry.load(IDS[0])
    assert {one.public_key for one in kept.signatures} == {
        KEY.public.public_key, other.public.public_key,
    }  # fmt: skip
    other_card = KEY.sign(replace(content, card="another"))
    registry.add(other_card, "")
    assert registry.load(IDS[0]) == other_card, "signatures of another card are none of this one"


@pytest.mark.parametrize("file", ["known.json", "card.md", "signatures.json"])
def test_a_crash_while_signatures_are_added_leaves_a_bundle(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    registry.add(BUNDLES[0], "")
    replace_file = Path.replace

    def crash(new: Path, target: Path) -> Path:
        if target.name == file:
            raise KeyboardInterrupt
        return replace_file(new, target)

    monkeypatch.setattr(Path, "replace", crash)
    monkeypatch.setattr(Bundle, "save", None)
    with pytest.raises(KeyboardInterrupt):
        registry.add(KEY.sign(BUNDLES[0]), "")
    assert registry.accept(IDS[0]).signatures == ()


def test_audit_lines_name_the_head_that_each_change_left(registry: Registry) -> None:
    heads = []
    for model in IDS[:2]:
        registry.add(BUNDLES[IDS.index(model)], "")
        registry.promote(model, "")
        heads.append(registry.history_head())
    registry.rollback("")
    heads.append(registry.history_head())
    registry.note_rollback("bad", "")
    heads.append(registry.history_head())
    lines = [json.loads(line) for line in registry.audit_file.read_text().splitlines()]
    assert [(line["action"], line["object"]) for line in lines] == [
        ("promote", f"{IDS[0]}, history {heads[0]}"),
        ("promote", f"{IDS[1]}, history {heads[1]}"),
        ("rollback", f"{IDS[0]}, history {heads[2]}"),
        ("rollback", f"{IDS[0]}, history {heads[3]}"),
    ]
