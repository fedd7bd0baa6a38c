"""Ids of archived stays, and the position of a patient in the split, which they carry.

An id is `NAME@POSITION/STAY`, so that a pseudonym is on the side of the raw id, and a readmission
beside the first stay. The first stay under a plain id keeps that id: its side follows from it.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

DEFAULT_SALT: Final = "vigil"
POSITIONS: Final = 10_000
_ARCHIVED: Final = re.compile(r"(?P<name>.+)@(?P<position>\d{4})/(?P<stay>\d+)", re.DOTALL)


def fraction_of(patient_id: str, salt: str = DEFAULT_SALT) -> float:
    """The position of a patient in [0, 1): depends on the id and the salt alone."""
    digest = hashlib.sha256(f"{salt}/{patient_id}".encode()).digest()
    # 53 bits: as many as a float has, so the quotient stays below 1.
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def position_of(patient_id: str) -> int:
    """The position under the default salt, 0 to 9999: exact for fractions of four decimals."""
    return int(fraction_of(patient_id) * POSITIONS)


def stay_id(name: str, position: int, stay: int, *, is_plain: bool) -> str:
    """The id of an archived stay in a cohort; ``stay`` counts from 1."""
    return name if is_plain and stay == 1 else f"{name}@{position:04d}/{stay}"


def archived(patient_id: str) -> tuple[str, int] | None:
    """Name and position in an id of an archived stay; ``None`` for any other id.

    >>> archived("3f9a@0042/2"), archived("p000001")
    (('3f9a', 42), None)
    """
    found = _ARCHIVED.fullmatch(patient_id)
    return None if found is None else (found["name"], int(found["position"]))
