"""The patients that a bundle was fitted on, as a Bloom filter small enough for its manifest.

An evaluation must know whether the bundle was fitted on the same patients, also when the files are
others. The filter (Bloom, CACM 13(7):422-426, 1970) answers that for one id at a time and does not
list the ids. A second filter holds what was measured (``known_stays``). Whoever has a bundle must
not be able to ask it whether somebody was in intensive care, so both are hashed with a secret key
(HMAC-SHA-256) that stays with the hospital (TRAINER_PATIENTS_KEY_FILE) and is not in the bundle. A
filter names its key by a fingerprint, so that one whose key is missing is not taken for an empty
one. Filters of earlier versions, and of public data such as the shipped model's, have no key.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.bundles.manifest import Manifest
from trainer.atomic import write_secret_once
from trainer.errors import InputError
from trainer.settings import TrainerSettings

BITS_PER_PATIENT: Final = 10
N_HASHES: Final = 7
"""With ten bits a patient, seven hashes are best: one patient in 120 is wrongly taken for a seen
one."""

FALSE_RATE: Final = 0.0082
"""The rate that follows from the two: (1 - exp(-7 / 10)) ** 7."""


CHANCE: Final = 1e-4
"""Where false answers alone explain a count with at least this probability, it says nothing."""

_KEY_BYTES: Final = 32


class _Filter(NamedTuple):
    """The bits of a filter, and the fingerprint of its key; empty: it has none."""

    bits: NDArray[np.uint8]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class SeenPatients:
    """The patients that trained a model or chose something of it.

    Attributes:
        filters: one for each time that patients were added.
        key: the secret of the filters that this process can ask; ``None``: only those without.

    >>> seen = SeenPatients.of(["p000001", "p000002"])
    >>> seen.count(["p000001", "p000002"])
    2
    """

    filters: tuple[_Filter, ...]
    key: bytes | None = None

    @classmethod
    def of(cls, patient_ids: Sequence[str], key: bytes | None = None) -> SeenPatients:
        """Makes the filter of these patients, with a secret key unless their ids are public."""
        bits = np.zeros(len(patient_ids) * BITS_PER_PATIENT // 8 + 1, np.uint8)
        for patient in patient_ids:
            for bit in _bits_of(patient, len(bits) * 8, key):
                bits[bit // 8] |= 1 << bit % 8
        return cls((_Filter(bits, fingerprint(key)),), key)

    def also(self, patient_ids: Sequence[str]) -> SeenPatients:
        """Adds patients in a filter of their own, since a full filter cannot take more."""
        return SeenPatients(self.filters + SeenPatients.of(patient_ids, self.key).filters, self.key)

    @classmethod
    def from_text(cls, text: str, key: bytes | None = None) -> SeenPatients:
        """Reads filters as of ``to_text``."""
        filters = []
        for part in text.split(","):
            name, _, encoded = part.rpartition(":")
            filters.append(_Filter(np.frombuffer(base64.b64decode(encoded), np.uint8), name))
        return cls(tuple(filters), key)

    def to_text(self) -> str:
        """The filters as base64, each after its key's fingerprint, with commas between."""
        return ",".join(
            f"{name}:" * bool(name) + base64.b64encode(bits.tobytes()).decode()
            for bits, name in self.filters
        )

    def __contains__(self, patient: str) -> bool:
        own = fingerprint(self.key)
        return any(
            _holds(bits, patient, self.key if name else None)
            for bits, name in self.filters
            if name in ("", own)
        )

    @property
    def is_locked(self) -> bool:
        """Whether a filter cannot be asked, since its key is another than the one here."""
        return any(name not in ("", fingerprint(self.key)) for _, name in self.filters)

    def count(self, patient_ids: Iterable[str]) -> int:
        """Counts the seen patients among these, give or take ``false_rate`` of the others."""
        return sum(patient in self for patient in patient_ids)

    @staticmethod
    def beyond_chance(n: int, asked: int, false_rate: float) -> int:
        """``n`` of so many asked; 0 where false answers alone may explain it."""
        # Loaded here: it takes half a second, and few commands ask.
        from scipy.special import bdtrc  # noqa: PLC0415

        return n if bdtrc(n - 1, asked, false_rate) < CHANCE else 0

    @property
    def false_rate(self) -> float:
        """The share of unseen patients who are taken for seen ones, at most."""
        return FALSE_RATE * len(self.filters)


def seen_of(manifest: Manifest) -> SeenPatients | None:
    """The patients that a bundle was fitted on, ``None`` where its manifest does not say."""
    text = manifest.get("data", {}).get("seen")
    return None if text is None else SeenPatients.from_text(text, own_key())


def own_key(*, make: bool = False) -> bytes | None:
    """The key of this installation; ``None`` where it has none, or needs none.

    Args:
        make: whether a missing one is drawn and written.

    Raises:
        InputError: the file is there and holds no key.
    """
    file = TrainerSettings().patients_key_file
    if file is None:
        return None
    if make and not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            write_secret_once(file, f"{secrets.token_hex(_KEY_BYTES)}\n".encode())
    try:
        text = file.read_text().strip()
    except FileNotFoundError:
        return None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES:
        raise InputError(f"{file} holds no key of {_KEY_BYTES} bytes in hexadecimal digits")
    return key


def fingerprint(key: bytes | None) -> str:
    """A name of a key that does not give it away; empty where there is none."""
    if key is None:
        return ""
    return hmac.new(key, b"name of this key", hashlib.sha256).hexdigest()[:16]


def _holds(bits: NDArray[np.uint8], patient: str, key: bytes | None) -> bool:
    return all(bits[bit // 8] >> bit % 8 & 1 for bit in _bits_of(patient, len(bits) * 8, key))


def _bits_of(patient: str, n_bits: int, key: bytes | None) -> list[int]:
    # Two hashes make any number of hashes (Kirsch and Mitzenmacher 2006).
    if key is None:
        digest = hashlib.sha256(patient.encode()).digest()
    else:
        digest = hmac.new(key, patient.encode(), hashlib.sha256).digest()
    first, second = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big") | 1
    return [(first + i * second) % n_bits for i in range(N_HASHES)]
