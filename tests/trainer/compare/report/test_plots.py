from __future__ import annotations

import matplotlib.image

from tests.support.comparison import AVERAGE, Compared
from tests.support.tiny_families import GOOD, NOTHING, WORSE
from trainer.compare.report.plots import shown

PICTURES = {
    "differences.png",
    "utility.png",
    "roc.png",
    "precision_recall.png",
    "reliability.png",
    "lead_time.png",
    "alerts.png",
}


def test_pictures_are_drawn_and_shown_on_the_page(compared: Compared) -> None:
    page = (compared.out / "comparison.md").read_text()
    assert {file.name for file in (compared.out / "comparison").glob("*.png")} == PICTURES
    for name in PICTURES:
        assert f"](comparison/{name})" in page
        pixels = matplotlib.image.imread(compared.out / "comparison" / name)
        # An empty frame with its labels covers some 4 % of a picture.
        assert (pixels[..., :3] < 1).any(axis=-1).mean() > 0.04


def test_pictures_show_the_best_models_on_validation_patients(compared: Compared) -> None:
    drawn = [model.name for model in shown(compared.findings)]
    assert drawn == ["final LSTM", AVERAGE, GOOD.name, WORSE.name, NOTHING.name]
