from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeAlias

import pytest

from streamer.core.variables import VARIABLES
from streamer.datasets.cohort import DataError
from streamer.datasets.task import parse_task, read_task, shipped
from tests.support.task_files import TASKS

Content: TypeAlias = dict[str, object]


def content(**changes: object) -> Content:
    return {**tomllib.loads((TASKS / "our-icu.toml").read_text()), **changes}


def test_the_shipped_task_and_those_of_the_docs_are_read() -> None:
    assert [*shipped().variables] == [variable.name for variable in VARIABLES]
    assert shipped().horizon_names == ("6h", "24h", "48h")
    names = {read_task(file).name for file in TASKS.glob("*.toml")}
    assert names == {"sepsis", "death"}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"horizons": [6, 48, 24]}, r"they rise, and the first is 6; write `horizons = \[6, 24"),
        ({"horizons": [12, 24, 48]}, "the first is 6"),
        ({"label": {"of": "stay"}}, "label.column: is missing; write `column = …`"),
        ({"lable": 1}, "lable: is not known here; leave `lable = …` out"),
        ({"variables": {"HR": "hr"}}, "'HR' is none of Vigil's .*docs/variables.md"),
        ({"variables": {}}, 'none is named; write, for instance, `heart_rate = "hr"`'),
        (
            {"variables": {"lactate": {"column": "l", "unit": "kPa"}}},
            "lactate in 'kPa' cannot be converted to mmol/L",
        ),
        ({"columns": {"patient": "p", "hour": "h", "value": "v"}}, "both, `parameter` and `value`"),
        ({"label": {"column": "c", "file": "f.csv"}}, "write `patient = …`"),
        ({"name": "Sep sis"}, "name: .*pattern"),
    ],
)
def test_a_fault_says_its_place_and_the_line_to_write(changes: Content, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        parse_task(content(**changes), "task.toml")


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(DataError, match=r"outcome: is missing.*columns\.hour: is missing"):
        parse_task({"name": "x", "label": {"column": "l"}, "columns": {"patient": "p"},
                    "variables": {}}, "task.toml")  # fmt: skip


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "task.toml"
    file.write_text("name = sepsis")
    with pytest.raises(DataError, match="not TOML"):
        read_task(file)
    with pytest.raises(DataError, match="cannot be read"):
        read_task(tmp_path / "none.toml")


def test_a_task_is_the_same_out_of_a_bundle() -> None:
    for file in TASKS.glob("*.toml"):
        task = read_task(file)
        assert parse_task(task.to_json(), "bundle") == task
