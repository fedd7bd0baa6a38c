"""High, medium, technical and stale are told apart without colours: by words and by pixels."""

from __future__ import annotations

import io
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.board.bed import of_bed, text_of
from tests.board.conftest import Screens

# Linear RGB as the colour blind see it (Machado, Oliveira and Fernandes 2009, severity 1.0).
VISIONS = {
    "greyscale": [[0.2126, 0.7152, 0.0722]] * 3,
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
BEDS = {"high": "2", "medium": "4", "technical": "9", "calm": "1"}
# Mean difference of luminance (0 to 1) over the band of a card.
DIFFERENT = 0.04


def luminance(png: bytes, vision: list[list[float]]) -> NDArray[np.float64]:
    """The picture as that vision sees it, reduced to luminance: (38, 250) values of 0 to 1."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    values = np.asarray(image.crop((0, 0, 250, 38)), dtype=np.float64) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(vision).T, 0, 1)
    return np.asarray((seen @ np.array([0.2126, 0.7152, 0.0722])) ** (1 / 2.4))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_priorities_differ_in_words_and_in_pixels_of_each_vision(
    screens: Screens, theme: str
) -> None:
    page = screens.open(size=(1920, 1080), stored={"theme": theme})
    words = {kind: text_of(page, bed) for kind, bed in BEDS.items()}
    assert "*** HIGH" in words["high"]
    assert "** MEDIUM" in words["medium"] and "***" not in words["medium"]
    assert "TECHNICAL" in words["technical"] and "no data" in words["technical"]
    shots = {kind: of_bed(page, bed).screenshot() for kind, bed in BEDS.items()}
    for name, vision in VISIONS.items():
        seen = {kind: luminance(png, vision) for kind, png in shots.items()}
        for one, other in combinations(BEDS, 2):
            difference = np.abs(seen[one] - seen[other]).mean()
            assert difference > DIFFERENT, f"{name}: {one} and {other} differ by {difference:.3f}"
    fresh = luminance(of_bed(page, "3").screenshot(), VISIONS["greyscale"])
    page.evaluate("document.querySelector('main').classList.add('old')")  # disconnected
    hatched = luminance(of_bed(page, "3").screenshot(), VISIONS["greyscale"])
    assert np.abs(fresh - hatched).max() > DIFFERENT
