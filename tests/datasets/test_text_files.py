"""Files in the forms that people have them in read the same, or are refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamer.datasets.cohort import DataError
from streamer.datasets.detect import read_recordings
from streamer.datasets.physionet2012 import read_2012
from streamer.datasets.physionet2019 import read_2019
from tests.support.physionet_files import RECORD_2012, TWO_STAYS, texts_2012
from tests.support.synthetic_stays import write_psv

Rewrite = Callable[[str], bytes]


def quoted(text: str, separator: str) -> str:
    cells = [line.split("|") for line in text.splitlines()]
    return "\n".join(separator.join(f'"{cell}"' for cell in line) for line in cells)


def in_capitals(text: str) -> str:
    head, end, body = text.partition("\n")
    return head.upper() + end + body


def with_a_size(text: str) -> str:
    return text.replace("|SepsisLabel", "|SepsisLabel|Größe").replace("|0\n", "|0|ä\n")


def of_windows(text: str) -> str:
    return text.replace("|", "\t").replace("\n", "\r\n")


FORMS: dict[str, Rewrite] = {
    "comma": lambda text: text.replace("|", ",").encode(),
    "semicolon": lambda text: text.replace("|", ";").encode(),
    "tab": lambda text: text.replace("|", "\t").encode(),
    "quoted": lambda text: quoted(text, "|").encode(),
    "quoted, with commas": lambda text: quoted(text, ",").encode(),
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 of another machine": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16, tabs, Windows": lambda text: of_windows(text).encode("utf-16"),
    "Latin-1": lambda text: with_a_size(text).encode("latin-1"),
    "header in capitals": lambda text: in_capitals(text).encode(),
    "header with blanks": lambda text: text.replace("|", " | ", 40).encode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".psv", ".PSV"])
def test_a_stay_of_2019_reads_the_same_in_every_form(
    tmp_path: Path, form: str, suffix: str
) -> None:
    plain = write_psv(tmp_path / "a" / "p000001.psv", TWO_STAYS["p000001"])
    odd = tmp_path / "b" / f"p000001{suffix}"
    odd.parent.mkdir()
    odd.write_bytes(FORMS[form](plain.read_text()))
    expected, (again, recorded) = (
        read_2019([plain]),
        (read_2019([odd]), read_recordings([odd.parent])),
    )
    assert again.patient_ids == recorded.patient_ids == ["p000001"]
    np.testing.assert_array_equal(again.values, expected.values)
    np.testing.assert_array_equal(again.age, expected.age)
    assert again.label.tolist() == expected.label.tolist()


REFUSED: dict[str, tuple[Rewrite, str]] = {
    "a column twice": (
        lambda text: text.replace("O2Sat", "HR", 1).encode(), "the header has HR 2 times",
    ),
    "the header twice": (
        lambda text: (text + text).encode(), r"line 5: the header comes again; are these two",
    ),
    "decimal commas": (
        lambda text: text.replace("|", ";").replace("36.6", "36,6").encode(),
        r"line 3: Temp is '36,6', not a number",
    ),
    "decimal commas in a comma file": (
        lambda text: text.replace("36.6", "36,6").replace("|", ",").encode(),
        "line 3: 42 cells where the header has 41",
    ),
    "colons": (lambda text: text.replace("|", ":").encode(), "no header of this data set: 'HR:O2"),
    "no header": (lambda text: text.partition("\n")[2].encode(), "no header of this data set"),
    "an archive": (lambda _: b"PK\3\4\0\0\xff" * 9, "not a text file: it holds zero bytes"),
    "half of UTF-16": (lambda text: text.encode("utf-16")[:-1], "not a text in UTF-16-LE"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_in_a_sentence_with_file_and_cause(
    tmp_path: Path, case: str
) -> None:
    change, sentence = REFUSED[case]
    file = write_psv(tmp_path / "p000001.psv", TWO_STAYS["p000001"])
    file.write_bytes(change(file.read_text()))
    with pytest.raises(DataError, match=sentence) as refused:
        read_2019([tmp_path])
    assert str(refused.value).startswith(str(file))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("column", "separator"), [("patient", "|"), ("Patient_ID", ",")])
def test_one_file_may_hold_many_stays(tmp_path: Path, column: str, separator: str) -> None:
    lines: list[str] = []
    for name, rows in TWO_STAYS.items():
        head, *body = write_psv(tmp_path / f"{name}.psv", rows).read_text().splitlines()
        lines += [*([f"{column}|{head}"] if not lines else []), *(f"{name}|{row}" for row in body)]
    file = tmp_path / "all.csv"
    file.write_text("\n".join(lines).replace("|", separator))
    whole, apart = read_2019([file]), read_2019([tmp_path])
    assert whole.patient_ids == apart.patient_ids
    np.testing.assert_array_equal(whole.values, apart.values)
    with pytest.raises(DataError, match=r"p000001 is given twice: .*p000001\.psv and .*all\.csv"):
        read_2019([tmp_path, file])


FORMS_2012: dict[str, Rewrite] = {
    "tab": lambda text: text.replace(",", "\t").encode(),
    "semicolon": lambda text: text.replace(",", ";").encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "quoted": lambda text: text.replace(
        "Time,Parameter,Value", '"Time","Parameter","Value"'
    ).encode(),
    "capitals": lambda text: text.replace("Time,Parameter,Value", "TIME,PARAMETER,VALUE").encode(),
}


@pytest.mark.parametrize("form", FORMS_2012)
def test_a_record_of_2012_reads_the_same_in_every_form(tmp_path: Path, form: str) -> None:
    expected = read_2012([texts_2012(tmp_path)])
    (tmp_path / "132539.txt").write_bytes(FORMS_2012[form](RECORD_2012))
    again = read_2012([tmp_path])
    assert again.patient_ids == expected.patient_ids
    assert again.value.tolist() == expected.value.tolist()
    assert again.minute.tolist() == expected.minute.tolist()
