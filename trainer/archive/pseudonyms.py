"""Names of patients in the archive: HMAC-SHA256 under a key, or the ids as they are if so ordered.

The side of the split comes from the raw id, at four digits: that gives away 13 bits, and whoever is
in the test set of the files is in that of the archive.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from trainer.archive.stay_ids import position_of

KEY_PROPERTY: Final = "vigil.keyId"
PLAIN: Final = "plain"
_DIGITS: Final = 32
_KEY_DIGITS: Final = 12


@dataclass(slots=True)
class PatientNames:
    """Names patients; a patient's name and position are worked out once.

    Args:
        key: secret; ``None`` keeps the ids.
    """

    key: bytes | None
    _known: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def key_id(self) -> str:
        """What the tables note of the key: another key would give one patient two names."""
        if self.key is None:
            return PLAIN
        return hmac.new(self.key, b"vigil archive key id", hashlib.sha256).hexdigest()[:_KEY_DIGITS]

    def name(self, patient: str) -> str:
        """The patient's name in the archive."""
        return self.of(patient)[0]

    def person(self, user: str) -> str:
        """The name of somebody who answers alerts; never that of a patient with the same id."""
        if self.key is None:
            return user
        return hmac.new(self.key, b"person\0" + user.encode(), hashlib.sha256).hexdigest()[:_DIGITS]

    def of(self, patient: str) -> tuple[str, int]:
        """The patient's name in the archive, and the position in the split, 0 to 9999."""
        known = self._known.get(patient)
        if known is None:
            name = patient
            if self.key is not None:
                name = hmac.new(self.key, patient.encode(), hashlib.sha256).hexdigest()[:_DIGITS]
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            known = self._known[patient] = (name, position_of(patient))
        return known


_MOST_KNOWN: Final = 200_000
