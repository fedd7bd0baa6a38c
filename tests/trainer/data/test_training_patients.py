from __future__ import annotations

from trainer.data.training_patients import FALSE_RATE, SeenPatients, seen_of


def test_seen_patients_are_all_known_and_others_seldom() -> None:
    ids = [f"p{i:06}" for i in range(4000)]
    seen = SeenPatients.from_text(SeenPatients.of(ids).to_text())
    assert seen.count(ids) == 4000
    # 0.8 % of 20,000 are expected: 164, with a standard deviation of 13.
    assert 100 < seen.count(f"q{i:06}" for i in range(20_000)) < 230


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
