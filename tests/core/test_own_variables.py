from __future__ import annotations

import pytest

from streamer.core.own_variables import read_own
from streamer.core.variables import MOST_OWN, Conversion, VariableTable, to_canonical
from tests.support.task_files import NEW_VARIABLES

GOOD = {"unit": "mg/L", "low": 0.0, "high": 700.0, "reference": [0.0, 5.0], "loinc": "1988-5"}


def test_a_definition_becomes_a_variable_and_names_are_sorted() -> None:
    (crp,) = read_own({"crp": GOOD})
    assert (crp.name, crp.display, crp.ucum, crp.low, crp.high) == ("crp", "crp", "mg/L", 0, 700)
    assert (crp.loinc, crp.reference, crp.log_scale, crp.is_vital) == (
        "1988-5",
        (0, 5),
        False,
        False,
    )
    assert [v.name for v in read_own(dict(reversed(NEW_VARIABLES.items())))] == [*NEW_VARIABLES]
    procalcitonin, _ = read_own(NEW_VARIABLES)
    assert procalcitonin.log_scale
    assert procalcitonin.conversions == {"nmol/L": Conversion(13.0)}
    assert read_own({}) == ()


def test_units_of_the_same_quantities_follow() -> None:
    procalcitonin, _ = read_own(NEW_VARIABLES)
    for unit, factor in (("ng/mL", 1), ("ug/L", 1), ("µg/dl", 10), ("nmol/L", 13), ("pmol/mL", 13)):
        assert to_canonical(procalcitonin, 2, unit) == pytest.approx(2 * factor), unit
    assert to_canonical(procalcitonin, 2, "mm[Hg]") is None


@pytest.mark.parametrize(
    ("name", "changes", "fault"),
    [
        ("lactate", {}, "one of Vigil's 34 .*map your column to it under .variables."),
        ("CRP", {}, "small letters, digits and _, such as"),
        ("c-rp", {}, "small letters, digits"),
        ("age", {}, "particular of an admission"),
        (
            "crp",
            {"unit": "furlong"},
            r"unit: 'furlong' is none that is known here; write it in UCUM",
        ),
        ("crp", {"unit": "mg / L"}, "unit: 'mg / L' is none"),
        ("crp", {"low": 700, "high": 0.0}, "low is 700 and high 0: low is to be below high"),
        ("crp", {"high": float("inf")}, "low and high: not numbers within"),
        ("crp", {"low": float("nan")}, "low and high: not numbers"),
        ("crp", {"low": -1, "log_scale": True}, "log_scale: of values down to -1"),
        ("crp", {"reference": [5, 0]}, r"reference: \[5, 0\] is no range within low and high"),
        ("crp", {"reference": [0, 900]}, "reference: .*that your laboratory prints"),
        ("crp", {"reference": None}, "reference"),
        ("crp", {"loinc": "2524-7"}, "loinc: 2524-7 is the code of lactate already"),
        ("crp", {"loinc": "1988-6"}, "loinc: '1988-6' is no LOINC code"),
        ("crp", {"conversions": {"nmol/L": 0}}, "the factor of 'nmol/L' is 0, not above 0"),
        ("crp", {"conversions": {"x": 1}}, "conversions: 'x' is no unit"),
        ("crp", {"limits": [0, 1]}, "is not known here: `limits`"),
        ("crp", {"low": "0"}, r"Expected `float`, got `str` - at `\$.low`"),
        ("crp", {"display": "x\n"}, "display"),
    ],
)
def test_a_bad_definition_says_its_place_and_the_way_out(
    name: str, changes: dict[str, object], fault: str
) -> None:
    with pytest.raises(ValueError, match=rf"new_variables\.{name}: .*{fault}"):
        read_own({name: {**GOOD, **changes}})


def test_what_is_missing_is_named_and_so_is_every_fault_at_once() -> None:
    with pytest.raises(ValueError, match=r"new_variables\.crp: is missing `high`"):
        read_own({"crp": {"unit": "mg/L", "low": 0}})
    with pytest.raises(ValueError, match=r"new_variables\.a: unit.*; new_variables\.b: unit"):
        read_own({"a": {**GOOD, "unit": "?"}, "b": {**GOOD, "unit": "?", "loinc": ""}})
    with pytest.raises(
        ValueError, match=r"new_variables\.b: loinc: 1988-5 is the code of a already"
    ):
        read_own({"a": GOOD, "b": GOOD})
    with pytest.raises(ValueError, match="not a table"):
        read_own([GOOD])


def test_there_is_room_for_as_many_as_a_ring_can_number() -> None:
    plain = {**GOOD, "loinc": ""}
    many = {f"v{i:02}": plain for i in range(MOST_OWN)}
    assert len(VariableTable(read_own(many))) == 64
    with pytest.raises(ValueError, match="31 of them, at most 30"):
        read_own(many | {"w": plain})
