from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.core.demographics import PARTICULARS, location_of, static_of, static_rows
from streamer.core.events import Fields
from streamer.core.features import STATIC
from streamer.core.numbers import read_number
from streamer.core.reasons import Loss, ValueProblem

CENSORED, NOT_A_NUMBER = ValueProblem.CENSORED, ValueProblem.NOT_A_NUMBER


@pytest.mark.parametrize(
    ("value", "number", "problem"),
    [
        (7, 7, None), (7.4, 7.4, None), (-0.0, 0, None), (None, None, None),
        (10**400, math.inf, None), (-(10**400), -math.inf, None),
        ("<0.01", 0.01, CENSORED), (">90", 90, CENSORED), ("<= 5", 5, CENSORED),
        (" >= 5.5 ", 5.5, CENSORED), ("≤3", 3, CENSORED), ("≥ 3", 3, CENSORED),
        ("=<3", 3, CENSORED), ("< .5", 0.5, CENSORED), ("<1e-2", 0.01, CENSORED),
        ("> -5", -5, CENSORED), ("<5.", 5, CENSORED), ("<1e999", math.inf, CENSORED),
        ("80", None, NOT_A_NUMBER), ("7,4", None, NOT_A_NUMBER), ("<0,01", None, NOT_A_NUMBER),
        ("", None, NOT_A_NUMBER), ("<", None, NOT_A_NUMBER), ("<<1", None, NOT_A_NUMBER),
        ("<1 ng/mL", None, NOT_A_NUMBER), ("<\u0661", None, NOT_A_NUMBER),
        ("nan", None, NOT_A_NUMBER),
        ("<nan", None, NOT_A_NUMBER), ("<1\n2", None, NOT_A_NUMBER), ("5-10", None, NOT_A_NUMBER),
        ("<" + " " * 60_000 + "1", None, NOT_A_NUMBER), ("<" + "9" * 60_000, None, NOT_A_NUMBER),
        (True, None, NOT_A_NUMBER), (False, None, NOT_A_NUMBER), ([], None, NOT_A_NUMBER),
        ({}, None, NOT_A_NUMBER), ([7], None, NOT_A_NUMBER),
    ],
)  # fmt: skip
def test_a_value_as_it_came(
    value: object, number: float | None, problem: ValueProblem | None
) -> None:
    assert read_number(value) == (number, problem)


@pytest.mark.parametrize(
    ("fields", "static", "problems"),
    [
        ({}, {}, []),
        ({"age": 61, "sex": "male", "icu_type": "surgical"}, {"age": 61, "sex": 1, "icu_type": 1},
         []),
        ({"age": "> 89"}, {"age": 90}, ["censored"]),
        ({"age": ">89"}, {"age": 90}, ["censored"]),
        ({"age": ">= 90"}, {"age": 90}, ["censored"]),
        ({"age": "90+"}, {"age": 90}, ["censored"]),
        ({"age": "<1"}, {"age": 0}, ["censored"]),
        ({"age": ">300"}, {}, ["censored", "out_of_limits"]),
        ({"age": "61"}, {}, ["not_a_number"]),
        ({"age": "sixty"}, {}, ["not_a_number"]),
        ({"age": True}, {}, ["not_a_number"]),
        ({"age": math.nan}, {}, ["not_finite"]),
        ({"age": 10**400}, {}, ["not_finite"]),
        ({"age": -1}, {}, ["out_of_limits"]),
        ({"age": 300}, {}, ["out_of_limits"]),  # how MIMIC writes an age over 89
        ({"age": 120}, {"age": 120}, []),
        ({"age": 120.01}, {}, ["out_of_limits"]),
        ({"age": 1e300}, {}, ["out_of_limits"]),
        ({"sex": "M"}, {}, ["unknown_code"]),
        ({"sex": 1}, {}, ["unknown_code"]),
        ({"sex": ["male"]}, {}, ["unknown_code"]),
        ({"sex": "other", "icu_type": "unknown"}, {}, []),
        ({"icu_type": "other"}, {"icu_type": 2}, []),
        ({"icu_type": "MICU", "sex": "female"}, {"sex": 0}, ["unknown_code"]),
        ({"hours_since_hospital_admission": -3}, {"hours_since_hospital_admission": -3}, []),
        ({"hours_since_hospital_admission": 1e6}, {}, ["out_of_limits"]),
        ({"hours_since_hospital_admission": "> 5"}, {"hours_since_hospital_admission": 5},
         ["censored"]),
    ],
)  # fmt: skip
def test_particulars_of_an_admission(
    fields: Fields, static: dict[str, float], problems: list[str]
) -> None:
    counted: Counter[Loss] = Counter()
    read = static_of(fields, counted)
    assert {n: v for n, v in zip(STATIC, read.tolist(), strict=True) if not math.isnan(v)} == static
    assert sorted(loss.problem.value for loss in counted.elements()) == problems
    assert {loss.variable for loss in counted} <= {*fields} & {*PARTICULARS}


@given(
    st.floats(width=32), st.floats(width=32),
    st.sampled_from(["female", "male", "other", "unknown"]),
    st.sampled_from(["medical", "surgical", "other", "unknown"]),
)  # fmt: skip
def test_the_trainer_and_the_stream_keep_the_same(
    age: float, hours: float, sex: str, icu_type: str
) -> None:
    fields = {
        "age": age, "hours_since_hospital_admission": hours, "sex": sex, "icu_type": icu_type,
    }  # fmt: skip
    streamed = static_of(fields, Counter())
    trained = static_rows(
        np.array([age], np.float32), [sex], [icu_type], np.array([hours], np.float32)
    )
    assert streamed.tobytes() == trained[0].tobytes()


@pytest.mark.parametrize(
    ("fields", "location", "problems"),
    [
        ({}, (None, None), []),
        ({"ward": "A", "bed": None}, ("A", None), []),
        ({"ward": "é" * 128, "bed": ""}, ("é" * 128, None), []),
        ({"ward": "A" * 129, "bed": "7"}, (None, "7"), ["too_long"]),
        ({"ward": "A", "bed": 12}, ("A", None), ["not_text"]),
        ({"ward": ["A"], "bed": {}}, (None, None), ["not_text", "not_text"]),
    ],
)
def test_ward_and_bed(
    fields: Fields, location: tuple[str | None, str | None], problems: list[str]
) -> None:
    counted: Counter[Loss] = Counter()
    assert location_of(fields, counted) == location
    assert sorted(loss.problem.value for loss in counted.elements()) == problems
    assert {loss.variable for loss in counted} <= {*fields} & {*PARTICULARS}
