from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streamer.bundles.acceptance import Trust
from tests.support.small_models import random_bundle
from trainer.registry.registry import Registry

BUNDLES = [random_bundle(seed) for seed in range(4)]
IDS = [bundle.model_id for bundle in BUNDLES]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    kept = Registry(tmp_path / "registry", Trust(allow_unsigned=True))
    for bundle in BUNDLES:
        kept.add(bundle, "for a test")
    return kept


@pytest.mark.parametrize("torn", ["", "{", "[]", "null", '{"before": 3}', '{"before": [], "x": 1}'])
def test_torn_aliases_follow_from_the_history(registry: Registry, torn: str) -> None:
    for model in IDS[:3]:
        registry.promote(model, "")
    registry.note_published(7)
    registry.rollback("")
    registry.note_rollback("another trainer's", "refused")
    registry.set_challenger(IDS[3], "")
    before = registry.aliases()
    (registry.folder / "aliases.json").write_text(torn)
    assert registry.aliases() == before
    assert before.quarantined == (IDS[2],)
    registry.promote(IDS[2], "", force=True)
    assert registry.aliases().before == (IDS[0], IDS[1])


def test_a_withdrawn_promotion_leaves_no_trace_but_in_the_history(registry: Registry) -> None:
    for model in IDS[:3]:
        registry.promote(model, "")
    registry.withdraw(IDS[2], "another trainer published")
    after = registry.aliases()
    assert (after.champion, after.before, after.challenger) == (IDS[1], (IDS[0],), IDS[2])
    (registry.folder / "aliases.json").write_text("")
    assert registry.aliases() == after


def dies_before_the_history(registry: Registry, change: Callable[[], object]) -> None:
    with pytest.MonkeyPatch.context() as patch:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(registry, "_note", die)
        with pytest.raises(KeyboardInterrupt):
            change()


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("promoted", lambda registry: registry.promote(IDS[2], "good")),
        ("rolled back", lambda registry: registry.rollback("bad")),
        ("withdrawn", lambda registry: registry.withdraw(IDS[1], "late")),
    ],
)
def test_a_change_whose_process_ended_before_the_history_is_noted_by_the_next(
    registry: Registry, what: str, change: Callable[[Registry], object]
) -> None:
    for model in IDS[:2]:
        registry.promote(model, "")
    dies_before_the_history(registry, lambda: change(registry))
    champion = registry.aliases().champion
    assert champion != IDS[1]
    registry.note_published(3)
    assert [entry["what"] for entry in registry.history()[-2:]] == [what, "published"]
    registry.note_published(4)
    assert [entry["what"] for entry in registry.history()[-2:]] == ["published", "published"]
    assert registry.champion_days(datetime.now(UTC) + timedelta(days=30)) == pytest.approx(
        30, abs=0.01
    )
    aliases = registry.aliases()
    (registry.folder / "aliases.json").write_text("")
    assert registry.aliases() == aliases
    assert registry.history_faults() == []


def test_a_history_without_the_champions_line_gets_one_line(registry: Registry) -> None:
    for model in IDS[:2]:
        registry.promote(model, "")
    registry.withdraw(IDS[1], "late")
    (registry.folder / "history.jsonl").unlink()
    for version in (1, 2):
        registry.note_published(version)
    assert [(e["what"], e["model"]) for e in registry.history()] == [
        ("promoted", IDS[0]), ("published", IDS[0]), ("published", IDS[0]),
    ]  # fmt: skip
