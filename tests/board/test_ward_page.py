"""docs/ward.md uses the words of the screen."""

from __future__ import annotations

import re

from bench.board_stub import STATIC
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "ward.md").read_text()
WORDS = (STATIC / "words.js").read_text()


def test_words_in_capitals_on_the_page_are_words_of_the_screen() -> None:
    shown = {w.strip() for w in re.findall(r"`\*{0,3} ?([A-Z]{4,}[A-Z ]*)", PAGE)}
    assert len(shown) > 12
    assert not {w for w in shown if w.split(" since")[0] not in WORDS}


def test_each_state_banner_key_and_button_of_the_screen_is_explained() -> None:
    lines = set(re.findall(r"=> `([A-Z]{4,}[A-Z ]*[A-Z])", WORDS))
    assert len(lines) > 10
    assert not {line for line in lines - {"AUDIO PAUSED", "NOT SENT"} if line not in PAGE}
    for button in ("Acknowledge", "Snooze", "Pause patient", "Was it right?", "Who are you?"):
        assert f'"{button}"' in WORDS
        assert button in PAGE
