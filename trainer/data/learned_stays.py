"""Stays that the network of a bundle learned from, among those that the bundle lists.

A network ranks whom it learned from better than anybody to come: a calibration on them makes risks
too extreme, and alerts are counted on them as nowhere else. A bundle lists more stays than these:
validation stays, and those that its calibration alone was chosen on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.bundles.manifest import Manifest
from streamer.datasets.cohort import Cohort, DataError
from trainer.data.known_stays import known_stays
from trainer.data.split_rules import rule_of
from trainer.errors import NothingToEvaluate


def learned_from(manifest: Manifest, cohort: Cohort) -> NDArray[np.bool_]:
    """(N,) the stays of a cohort that a bundle's network learned from.

    Those that it lists, without the validation side of its own split; where that split cannot be
    made here, all that it lists. None where it lists nobody, or under a key that is not here.

    Args:
        manifest: of the bundle.
        cohort: N stays.
    """
    everybody = np.arange(len(cohort))
    known = known_stays(_of_its_fits(manifest), cohort)
    if known is None:
        return np.zeros(len(cohort), np.bool_)
    learned = known.among(everybody)
    if learned.any():
        try:
            learned[rule_of(manifest.get("split")).split(cohort).validation] = False
        except (NothingToEvaluate, DataError):  # a file that has to be named, or days that miss
            return learned
    return learned


def n_lists_of_fits(manifest: Manifest) -> int | None:
    """How many of the lists of a bundle are of its fits; ``None`` where it lists nobody.

    Each fit and each recalibration adds a list. A bundle that was recalibrated by an earlier
    version does not say how often: its last list alone is taken for one of a recalibration.
    """
    text = manifest.get("data", {}).get("seen")
    if text is None:
        return None
    n_lists = len(text.split(","))
    made = manifest.get("recalibration")
    return n_lists if made is None else made.get("lists_of_fits", max(1, n_lists - 1))


def _of_its_fits(manifest: Manifest) -> Manifest:
    """The manifest without the lists of recalibrations."""
    n_lists = n_lists_of_fits(manifest)
    if n_lists is None or "recalibration" not in manifest:
        return manifest
    data = manifest["data"].copy()
    data["seen"] = _first(data["seen"], n_lists)
    if "seen_content" in data:
        data["seen_content"] = _first(data["seen_content"], n_lists)
    return {**manifest, "data": data}


def _first(lists: str, n: int) -> str:
    return ",".join(lists.split(",")[:n])
