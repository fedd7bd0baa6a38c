"""Stays that a bundle was fitted on, found by patient id and by their measurements.

An id says little alone. The same stays under other ids are known by their content
(``stay_content``). A hospital whose ids look like those of the training patients is told apart by
it as well: its stays have other content.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED
from streamer.bundles.manifest import Manifest
from streamer.datasets.cohort import Cohort, site
from trainer.data.public_2019 import public_2019
from trainer.data.stay_content import stay_content
from trainer.data.training_patients import SeenPatients, own_key, seen_of

LEAST_ALIKE: Final = 10
"""Ids that agree while nothing else does: fewer may be of stays whose values were corrected."""

FEW_AGREE: Final = 0.2
"""Share of the stays with a known id whose content must be known, too, for them to be the same."""


@dataclass(frozen=True, slots=True)
class KnownStays:
    """Stays of a cohort that a bundle was fitted on; N stays.

    Attributes:
        by_id: (N,) those whose patient id is known.
        by_content: (N,) those whose content is known; ``None`` where the bundle does not keep it.
        comparable: (N,) those with enough measured for ``by_content``.
        false_rate: the share of other stays that each of the two takes for known ones.
    """

    by_id: NDArray[np.bool_]
    by_content: NDArray[np.bool_] | None
    comparable: NDArray[np.bool_]
    false_rate: float

    @property
    def ids_alike(self) -> bool:
        """Whether the ids agree by the way they are written, and the patients are others."""
        asked = self.by_id & self.comparable
        if self.by_content is None or asked.sum() < LEAST_ALIKE:
            return False
        return bool(self.by_content[asked].mean() < FEW_AGREE)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(N,) the stays that the bundle was fitted on, and some by chance."""
        if self.by_content is None:
            return self.by_id
        return self.by_content if self.ids_alike else self.by_id | self.by_content

    def beyond_chance(self, seen: NDArray[np.bool_]) -> int:
        """Counts stays; 0 where false answers alone may explain them."""
        rate = self.false_rate * (1 if self.by_content is None else 2)
        return SeenPatients.beyond_chance(int(seen.sum()), len(seen), rate)

    def among(self, stays: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) which of some stays the bundle was fitted on; none where chance explains them."""
        seen = self.seen[stays]
        return seen & bool(self.beyond_chance(seen))

    @property
    def under_other_ids(self) -> NDArray[np.bool_]:
        """(N,) the stays that are known by their content alone; none where chance explains it."""
        nobody = np.zeros(len(self.by_id), np.bool_)
        if self.by_content is None:
            return nobody
        alone = self.by_content & ~self.by_id
        n = SeenPatients.beyond_chance(int(alone.sum()), len(alone), self.false_rate)
        return alone if n else nobody


def known_stays(manifest: Manifest, cohort: Cohort) -> KnownStays | None:
    """The stays that a bundle was fitted on; ``None`` where it does not say, or its key is away."""
    ids, contents = seen_of(manifest), content_of(manifest)
    if ids is None or ids.is_locked:
        return None
    by_id = np.array([patient in ids for patient in cohort.patient_ids], np.bool_)
    texts = stay_content(cohort)
    by_content = None
    if contents is not None and not contents.is_locked:
        by_content = np.array([text is not None and text in contents for text in texts], np.bool_)
    comparable = np.array([text is not None for text in texts], np.bool_)
    rate = max(part.false_rate for part in (ids, contents) if part is not None)
    return KnownStays(by_id, by_content, comparable, rate)


def not_fitted_on(
    manifest: Manifest, cohort: Cohort, stays: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Those of some stays that a bundle was not fitted on; all of them where it does not say.

    A split of other data, another salt or a file can put on a test side whom the bundle knows.

    Args:
        manifest: of the bundle.
        cohort: all stays.
        stays: (n,) indices into it.
    """
    known = known_stays(manifest, cohort)
    return stays if known is None else stays[~known.among(stays)]


def content_of(manifest: Manifest) -> SeenPatients | None:
    """The content of the stays that a bundle was fitted on; ``None`` where it was not kept.

    That of the shipped bundle, which is older than this list, stands beside it in the package.
    """
    text = manifest.get("data", {}).get("seen_content")
    if text is None and manifest.get("model") == public_2019()["model"]:
        text = public_2019()["seen_content"]
    return None if text is None else SeenPatients.from_text(text, own_key())


def contents_of(cohort: Cohort) -> list[str]:
    """The content of those stays that have enough of it."""
    return [text for text in stay_content(cohort) if text is not None]


def known_public(cohort: Cohort) -> KnownStays:
    """The stays that the shipped bundle was fitted on: they are of the public data."""
    known = known_stays(_shipped(), cohort)
    assert known is not None  # its ids are public, and need no key
    return known


@cache
def _shipped() -> Manifest:
    return bundles.load(SHIPPED).manifest


def is_public(cohort: Cohort) -> bool:
    """Whether most stays are of the public data, by their content."""
    known = known_public(cohort)
    return bool(known.by_content is not None and known.by_content.mean() > 1 / 2)


def named_sites(cohort: Cohort) -> NDArray[np.str_]:
    """(N,) the hospital of each stay; empty where unknown.

    It is what the files say. The public data say it in the ids, so ``A`` and ``B`` stand where all
    ids are written as theirs, unless the content shows that the patients are others.
    """
    if cohort.sites is not None and (cohort.sites != "").any():
        return cohort.sites
    letters = [site(patient) or "" for patient in cohort.patient_ids]
    if not all(letters) or known_public(cohort).ids_alike:
        return np.full(len(cohort), "", np.str_)
    return np.array(letters, np.str_)
