"""Pseudonyms of patients in the log: the same in each line, and without the key nobody's."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import MutableMapping
from typing import Any, Final

_DIGITS: Final = 16  # 64 bits: no two patients of a hospital's lifetime share one
_PATIENT_FIELDS: Final = ("patient", "patients", "patient_id", "key")


class Pseudonyms:
    """Keyed hash (HMAC-SHA-256) of patient ids, and the step of the log that applies it.

    Args:
        key: with it the pseudonym of an id can be computed; empty: a random one of this process.

    >>> Pseudonyms("a secret of the ward").of("p000001")
    '6d7d86ce086bc154'
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode() or secrets.token_bytes(32)

    def of(self, patient: str) -> str:
        """Returns the pseudonym of a patient."""
        return hmac.new(self._key, patient.encode(), hashlib.sha256).hexdigest()[:_DIGITS]

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Replaces the ids in the fields of a line that hold patients; a step of structlog."""
        for name in _PATIENT_FIELDS:
            if name in event:
                event[name] = self._replaced(event[name])
        return event

    def _replaced(self, value: Any) -> Any:
        match value:
            case None:
                return None
            case bytes():
                return self.of(value.decode(errors="replace"))
            case list() | tuple() | set() | frozenset():
                return sorted(map(self._replaced, value))
            case _:
                return self.of(str(value))
