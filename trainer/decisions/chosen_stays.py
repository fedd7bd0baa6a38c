"""The stays that a fit chose its calibration and thresholds on, for its manifest, card and plot."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.bundles.manifest import ChosenOn
from trainer.data.dataset import Material

VALIDATION: Final = "validation"
BOTH: Final = "training and validation"


def chosen_stays(material: Material, stays: NDArray[np.int64], *, site: bool) -> ChosenOn:
    """Whose they are, and how many.

    Args:
        material: data, and the stays that the network gone on from had learned from.
        stays: (n,) that were chosen on.
        site: whether only the site's own serve, though others were learned from as well.
    """
    return {
        "sides": VALIDATION if np.isin(stays, material.split.validation).all() else BOTH,
        "site": site,
        "learned": len(material.not_learned(stays)) < len(stays),
        "n_patients": len(stays),
        "n_septic": int(material.cohort.septic[stays].sum()),
    }


def whose(chosen_on: ChosenOn) -> str:
    """The stays in words that a noun follows.

    >>> whose({"sides": "validation", "site": True, "learned": False, "n_patients": 9,
    ... "n_septic": 3})
    "the site's own validation"
    """
    return "the site's own " * chosen_on["site"] + chosen_on["sides"]
