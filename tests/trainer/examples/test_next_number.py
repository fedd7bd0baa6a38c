from __future__ import annotations

import re
from pathlib import Path

from tests.support.example_files import (
    quiet,
    reading_of,
)
from trainer.examples import next_number


def test_next_number(tmp_path: Path) -> None:
    text = reading_of(next_number.run(tmp_path, quiet(), sequences=64, epochs=2))
    assert len(re.findall(r"^\| (?:last value|straight line|AR\(4\)|LSTM)", text, re.M)) == 5
    assert re.search(r"the LSTM \([\d.]+% .*(better|worse|told apart)", text)


def test_equal_seeds_give_equal_readings(tmp_path: Path) -> None:
    texts = [
        next_number.run(tmp_path / str(i), quiet(), seed, 32, 1).reading
        for i, seed in enumerate((3, 3, 4))
    ]
    assert texts[0] == texts[1] != texts[2]
