"""Promotion: candidate and champion on the same held-out patients, and the rule that decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from streamer.datasets.cohort import Cohort
from trainer.data.dataset import Dataset
from trainer.data.known_stays import known_stays
from trainer.data.training_patients import seen_of
from trainer.decisions.predictions import predict
from trainer.metrics.bootstrap import paired_intervals
from trainer.metrics.definitions import Measure

AUROC_MARGIN: Final = 0.005
"""An AUROC that is lower by less than this is noise: its own 95 % interval on the 343 septic test
stays of the public data reaches 0.02 to either side."""

N_BOOTSTRAP: Final = 200
"""Replicates; enough for an interval that people read and the decision does not rest on."""

LEAST_SEPTIC: Final = 1  # without any, utility and AUROC are undefined


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures of two bundles on the same patients, and the decision.

    Attributes:
        candidate: model id of the new bundle.
        champion: model id of the bundle in force.
        n_patients: stays of patients held out from both.
        n_septic: septic ones among them.
        candidate_figures: every metric; empty where nothing could be compared.
        champion_figures: every metric; empty where nothing could be compared.
        difference_ci: 95 % interval of candidate minus champion, paired by patient.
        better: whether the candidate takes over.
        why: the reason, in words.
    """

    candidate: str
    champion: str
    n_patients: int
    n_septic: int
    candidate_figures: dict[str, float]
    champion_figures: dict[str, float]
    difference_ci: dict[str, tuple[float, float]]
    better: bool
    why: str


def is_better(candidate: dict[str, float], champion: dict[str, float]) -> tuple[bool, str]:
    """The rule: utility must be higher, and AUROC not lower by more than ``AUROC_MARGIN``.

    The threshold is chosen for utility; the AUROC guards against a candidate that gains utility and
    ranks worse. An undefined figure (NaN) never makes a candidate better.

    >>> is_better({"utility": 0.4, "auroc": 0.82}, {"utility": 0.39, "auroc": 0.83})
    (False, 'AUROC 0.8200 is lower than 0.8300 by more than 0.005')
    """
    utility, auroc = candidate["utility"], candidate["auroc"]
    if not utility > champion["utility"]:
        return False, f"utility {utility:.4f} is not above {champion['utility']:.4f}"
    if not auroc >= champion["auroc"] - AUROC_MARGIN:
        loss = f"AUROC {auroc:.4f} is lower than {champion['auroc']:.4f}"
        return False, f"{loss} by more than {AUROC_MARGIN}"
    return True, f"utility {utility:.4f} is above {champion['utility']:.4f}, AUROC holds"


def compare_bundles(
    candidate: Bundle,
    champion: Bundle,
    held_out: Dataset,
    n_bootstrap: int = N_BOOTSTRAP,
) -> Comparison:
    """Compares two bundles on the held-out patients that neither was fitted on.

    Args:
        candidate: the new bundle.
        champion: the bundle in force.
        held_out: the candidate's test side.
        n_bootstrap: replicates of the paired interval.
    """
    if candidate.model_id == champion.model_id:
        stays, why = held_out.stays, "it is the champion itself"
    else:
        stays, why = unseen_by(champion, held_out.cohort, held_out.stays), ""
    if not why and is_locked(champion):
        why = "whom the champion was fitted on is kept under a key that is not here"
    n_septic = int(held_out.cohort.septic[stays].sum())
    if n_septic < LEAST_SEPTIC:
        why = "no septic patient is held out from both"
    if why:
        return Comparison(
            candidate.model_id, champion.model_id, len(stays), n_septic, {}, {}, {}, False, why
        )
    dataset = replace(held_out, stays=stays)
    ours, theirs = (
        Measure(predict(build.build(bundle), dataset).scored()) for bundle in (candidate, champion)
    )
    better, why = is_better(ours.figures(), theirs.figures())
    return Comparison(
        candidate.model_id,
        champion.model_id,
        len(stays),
        n_septic,
        ours.figures(),
        theirs.figures(),
        paired_intervals(ours, theirs, n_bootstrap),
        better,
        why,
    )


def is_locked(bundle: Bundle) -> bool:
    """Whether a bundle's list of patients cannot be asked here."""
    seen = seen_of(bundle.manifest)
    return seen is not None and seen.is_locked


def unseen_by(bundle: Bundle, cohort: Cohort, stays: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ``stays`` that a bundle was not fitted on, under whichever ids; all if it does not say.

    Args:
        bundle: its manifest holds the filter of its patients.
        cohort: all stays.
        stays: indices into it.
    """
    known = known_stays(bundle.manifest, cohort.take(stays))
    return stays if known is None else stays[~known.seen]
