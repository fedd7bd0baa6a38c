"""The patients that a bundle was fitted on, as a Bloom filter small enough for its manifest.

An evaluation must know whether the bundle was fitted on the same patients, also when the files are
others. The filter (Bloom, CACM 13(7):422-426, 1970) answers that for one id at a time and does not
list the ids. It does not keep them secret either: anyone who has an id can ask for it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BITS_PER_PATIENT: Final = 10
N_HASHES: Final = 7
"""With ten bits a patient, seven hashes are best: one patient in 120 is wrongly taken for a seen
one."""

FALSE_RATE: Final = 0.0082
"""The rate that follows from the two: (1 - exp(-7 / 10)) ** 7."""


@dataclass(frozen=True, slots=True)
class SeenPatients:
    """The patients that trained a model or chose something of it.

    >>> seen = SeenPatients.of(["p000001", "p000002"])
    >>> seen.count(["p000001", "p000002"])
    2
    """

    filters: tuple[NDArray[np.uint8], ...]

    @classmethod
    def of(cls, patient_ids: Sequence[str]) -> SeenPatients:
        """Makes the filter of these patients."""
        bits = np.zeros(len(patient_ids) * BITS_PER_PATIENT // 8 + 1, np.uint8)
        for patient in patient_ids:
            for bit in _bits_of(patient, len(bits) * 8):
                bits[bit // 8] |= 1 << bit % 8
        return cls((bits,))

    def also(self, patient_ids: Sequence[str]) -> SeenPatients:
        """Adds patients in a filter of their own, since a full filter cannot take more."""
        return SeenPatients(self.filters + SeenPatients.of(patient_ids).filters)

    @classmethod
    def from_text(cls, text: str) -> SeenPatients:
        """Reads filters as of ``to_text``."""
        return cls(
            tuple(np.frombuffer(base64.b64decode(part), np.uint8) for part in text.split(","))
        )

    def to_text(self) -> str:
        """The filters as base64, with commas between."""
        return ",".join(base64.b64encode(bits.tobytes()).decode() for bits in self.filters)

    def __contains__(self, patient: str) -> bool:
        return any(_holds(bits, patient) for bits in self.filters)

    def count(self, patient_ids: Iterable[str]) -> int:
        """Counts the seen patients among these, give or take ``false_rate`` of the others."""
        return sum(patient in self for patient in patient_ids)

    @property
    def false_rate(self) -> float:
        """The share of unseen patients who are taken for seen ones, at most."""
        return FALSE_RATE * len(self.filters)


def seen_of(manifest: Mapping[str, Any]) -> SeenPatients | None:
    """The patients that a bundle was fitted on, ``None`` where its manifest does not say."""
    text = manifest.get("data", {}).get("seen")
    return None if text is None else SeenPatients.from_text(text)


def _holds(bits: NDArray[np.uint8], patient: str) -> bool:
    return all(bits[bit // 8] >> bit % 8 & 1 for bit in _bits_of(patient, len(bits) * 8))


def _bits_of(patient: str, n_bits: int) -> list[int]:
    # Two hashes make any number of hashes (Kirsch and Mitzenmacher 2006).
    digest = hashlib.sha256(patient.encode()).digest()
    first, second = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big") | 1
    return [(first + i * second) % n_bits for i in range(N_HASHES)]
