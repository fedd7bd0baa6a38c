"""Canary patients: invented ones, who prove that a deteriorating patient raises an alert now.

Their events carry ``"processing": "T"`` (HL7 table 0103: training) and ids that no hospital gives.
Only both together are taken: test data that looks like a patient, or a patient who looks like test
data, is rejected. What canaries cause goes to topics of their own, and at their discharge nothing
of them stays.
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = "~canary/"
"""How the ids of canaries begin: ``~canary/INSTANCE/PARTITION/K``."""
_PREFIX_BYTES: Final = PREFIX.encode()
TEST_DATA: Final = ("T", "D")
"""Values of `processing` that say test data: training, debugging. ``P`` is production."""
CANARY_PROCESSING: Final = "T"


def is_canary(patient: str) -> bool:
    """Whether an id is a canary's.

    >>> is_canary("~canary/icu-7/3/0"), is_canary("canary")
    (True, False)
    """
    return patient.startswith(PREFIX)


def is_canary_key(key: bytes) -> bool:
    """The same of the key of a record."""
    return key.startswith(_PREFIX_BYTES)


def canary_id(instance: str, partition: int, k: int) -> str:
    """The id of a canary; ``k`` is sought so that the id lands on its partition."""
    return f"{PREFIX}{instance}/{partition}/{k}"
