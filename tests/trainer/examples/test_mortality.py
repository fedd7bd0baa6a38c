from __future__ import annotations

from pathlib import Path

from tests.support.example_files import (
    quiet,
    reading_of,
    records_2012,
)
from trainer.examples import mortality
from trainer.examples.mortality_recipe import RECIPE

SMALL = ["encoder=8", "hidden=8", "binned=2", "reading_epochs=1", "epochs=1", "teacher_share=0"]


def test_mortality(tmp_path: Path) -> None:
    data, outcomes = records_2012(tmp_path, 120)
    recipe, wrong = RECIPE.changed(SMALL)
    assert not wrong
    text = reading_of(mortality.run(tmp_path / "out", quiet(), data, outcomes, recipe))
    assert "By AUROC, the network" in text
    assert "| SAPS-I " in text
