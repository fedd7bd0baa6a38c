from __future__ import annotations

import stat
from pathlib import Path

import pytest

from trainer.data.training_patients import FALSE_RATE, SeenPatients, own_key, seen_of
from trainer.errors import InputError


def test_seen_patients_are_all_known_and_others_seldom() -> None:
    ids = [f"p{i:06}" for i in range(4000)]
    seen = SeenPatients.from_text(SeenPatients.of(ids).to_text())
    assert seen.count(ids) == 4000
    # 0.8 % of 20,000 are expected: 164, with a standard deviation of 13.
    assert 100 < seen.count(f"q{i:06}" for i in range(20_000)) < 230


def test_false_answers_alone_are_no_seen_patients() -> None:
    seen = SeenPatients.of([f"p{i:06}" for i in range(4000)])

    def beyond_chance(ids: list[str]) -> int:
        return seen.beyond_chance(seen.count(ids), len(ids), seen.false_rate)

    for start in range(0, 80_000, 80):  # 0.66 are expected in each of these thousand cohorts
        assert not beyond_chance([f"q{i:06}" for i in range(start, start + 80)])
    assert not beyond_chance([])
    some = [*(f"p{i:06}" for i in range(20)), *(f"q{i:06}" for i in range(60))]
    assert 20 <= beyond_chance(some) <= 25


def test_added_patients_are_known_beside_the_first() -> None:
    first, more = [f"p{i:06}" for i in range(500)], [f"r{i:06}" for i in range(500)]
    both = SeenPatients.of(first).also(more)
    assert both.count([*first, *more]) == 1000
    assert both.false_rate == 2 * FALSE_RATE
    again = SeenPatients.from_text(both.to_text())
    assert len(again.filters) == 2
    assert again.count([*first, *more]) == 1000


def test_a_manifest_without_the_patients_says_nothing_of_them() -> None:
    assert seen_of({}) is None
    assert seen_of({"data": {"sha256": "x"}}) is None
    seen = seen_of({"data": {"seen": SeenPatients.of(["p000001"]).to_text()}})
    assert seen is not None
    assert "p000001" in seen


SECRET, OTHER = bytes(range(32)), bytes(32)
IDS = [f"p{i:06d}" for i in range(500)]


def test_without_the_key_a_bundle_does_not_say_who_was_in_intensive_care() -> None:
    text = SeenPatients.of(IDS, SECRET).to_text()
    assert SeenPatients.from_text(text, SECRET).count(IDS) == len(IDS)
    assert not SeenPatients.from_text(text, SECRET).is_locked
    for key in (None, OTHER):
        stranger = SeenPatients.from_text(text, key)
        assert stranger.is_locked
        assert stranger.count(IDS) == 0
    # Whoever passes over the fingerprint and asks the bits as those of public ids learns nothing.
    bits = text.partition(":")[2]
    assert SeenPatients.from_text(bits).count(IDS) < 4 * FALSE_RATE * len(IDS)


def test_public_and_keyed_patients_stand_side_by_side() -> None:
    public, own = IDS[:200], IDS[200:]
    text = SeenPatients(SeenPatients.of(public).filters, SECRET).also(own).to_text()
    assert SeenPatients.from_text(text, SECRET).count(IDS) == len(IDS)
    stranger = SeenPatients.from_text(text)
    assert stranger.is_locked
    assert stranger.count(public) == len(public)
    assert stranger.count(own) < 4 * FALSE_RATE * len(own)


def test_the_key_is_drawn_once_and_kept_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "new" / "patients.key"
    monkeypatch.setenv("TRAINER_PATIENTS_KEY_FILE", str(file))
    assert own_key() is None
    key = own_key(make=True)
    assert key is not None
    assert len(key) == 32
    assert own_key() == own_key(make=True) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("short")
    with pytest.raises(InputError, match="holds no key"):
        own_key()
    monkeypatch.setenv("TRAINER_PATIENTS_KEY_FILE", "none")
    assert own_key(make=True) is None
