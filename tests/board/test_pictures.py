"""The pictures of the README are made by the browser, small, and not of an older board."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from bench.board_pictures import take
from bench.board_stub import BoardStub
from tests.support.paths import ROOT

MOST_BYTES = 150_000


def test_both_pictures_are_small_and_show_the_board_as_it_is(
    browser: Browser, stub: BoardStub, tmp_path: Path
) -> None:
    for taken in take(browser, stub, tmp_path):
        kept = ROOT / "docs" / "pictures" / taken.name
        assert max(taken.stat().st_size, kept.stat().st_size) < MOST_BYTES
        now, then = (Image.open(file).convert("L") for file in (taken, kept))
        assert now.size == then.size
        # The same page, drawn with the fonts of this machine: `python -m bench.board_pictures`.
        small = [image.resize((48, 30)).get_flattened_data() for image in (now, then)]
        apart = sum(abs(a - b) for a, b in zip(*small, strict=True)) / len(small[0])
        assert apart < 8, f"{taken.name} is of another board: take it again"
