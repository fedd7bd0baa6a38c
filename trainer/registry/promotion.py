"""Promotion: candidate and champion on the same patients, and the evidence for the gates.

These patients are a side of their own (``data.split.decides``), and no figure that is reported as
one of test patients rests on them. A bundle may be of another split: whom either of the two lists
among those that it was fitted, stopped or calibrated on is left out.
"""

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
from trainer.metrics.bootstrap import percentiles, replicates
from trainer.metrics.definitions import Measure, Scored
from trainer.metrics.subgroups import subgroups
from trainer.registry.gates import DEFAULT, Difference, Evidence, Limits, Subgroup

N_BOOTSTRAP: Final = 1000
"""Replicates: the ends of an interval decide, and with 1000 there are 50 beyond each."""

DECISIVE: Final = ("utility", "auroc")
"""The figures whose differences the gates ask for."""

LEAST_SEPTIC: Final = 1  # without any, utility and AUROC are undefined


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures of two bundles on the same patients.

    Attributes:
        candidate: model id of the new bundle.
        champion: model id of the bundle in force.
        n_patients: stays of patients held out from both.
        n_septic: septic ones among them.
        difference_ci: 95 % interval of candidate minus champion in each of ``DECISIVE``, paired by
            patient; empty where nothing could be compared.
        evidence: for the gates; ``None`` where nothing could be compared.
        why: why nothing could be compared; else empty.
    """

    candidate: str
    champion: str
    n_patients: int
    n_septic: int
    difference_ci: dict[str, tuple[float, float]]
    evidence: Evidence | None
    why: str

    def lines(self) -> list[str]:
        """Both sides as sentences."""
        if self.evidence is None:
            return [f"not compared with {self.champion[:12]}: {self.why}"]
        ours, theirs = self.evidence.candidate, self.evidence.champion
        return [
            f"on {self.n_patients:,} stays that neither was fitted on ({self.n_septic} septic), "
            f"{self.champion[:12]} and this one: "
            + ", ".join(
                f"{name} {theirs[key]:.3f} and {ours[key]:.3f}, difference "
                f"[{self.difference_ci[key][0]:+.3f}, {self.difference_ci[key][1]:+.3f}]"
                for key, name in (("utility", "utility"), ("auroc", "AUROC"))
            )
        ]


def compare_bundles(
    candidate: Bundle,
    champion: Bundle,
    held_out: Dataset,
    n_bootstrap: int = N_BOOTSTRAP,
    limits: Limits = DEFAULT,
) -> Comparison:
    """Compares two bundles on those of the held-out patients that neither was fitted on.

    Each bundle says itself whom it was fitted on: no split is trusted to have kept them apart.

    Args:
        candidate: the new bundle.
        champion: the bundle in force.
        held_out: patients to compare on.
        n_bootstrap: replicates of the paired interval.
        limits: say which gain counts, and which subgroups are large enough.
    """
    if candidate.model_id == champion.model_id:
        stays, why = held_out.stays, "it is the champion itself"
    else:
        stays, why = unseen_by(champion, held_out.cohort, held_out.stays), ""
        stays = unseen_by(candidate, held_out.cohort, stays)
    for name, bundle in (("champion", champion), ("candidate", candidate)):
        if not why and is_locked(bundle):
            why = f"whom the {name} was fitted on is kept under a key that is not here"
    n_septic = int(held_out.cohort.septic[stays].sum())
    if not why and n_septic < LEAST_SEPTIC:
        why = "no septic patient is held out from both"
    if why:
        return Comparison(
            candidate.model_id, champion.model_id, len(stays), n_septic, {}, None, why
        )
    dataset = replace(held_out, stays=stays)
    ours, theirs = (
        predict(build.build(bundle), dataset).scored() for bundle in (candidate, champion)
    )
    evidence, differences = evidence_of(ours, theirs, subgroups(dataset.part), n_bootstrap, limits)
    return Comparison(
        candidate.model_id,
        champion.model_id,
        len(stays),
        n_septic,
        percentiles(differences, DECISIVE),
        evidence,
        "",
    )


def evidence_of(
    ours: Scored,
    theirs: Scored,
    groups: dict[str, NDArray[np.int64]],
    n_bootstrap: int = N_BOOTSTRAP,
    limits: Limits = DEFAULT,
) -> tuple[Evidence, NDArray[np.float64]]:
    """The evidence for the gates, of two models on the same stays.

    Args:
        ours: of the candidate.
        theirs: of the champion.
        groups: stays ``(n,)`` of each subgroup.
        n_bootstrap: replicates of the paired interval.
        limits: say which gain counts, and which subgroups are large enough.

    Returns:
        the evidence, and the differences ``(n_bootstrap, len(DECISIVE))``.
    """
    measures = Measure(ours), Measure(theirs)
    drawn = replicates(measures, n_bootstrap, names=DECISIVE)
    differences = drawn[0] - drawn[1]
    evidence = Evidence(
        int(_septic(ours).sum()),
        measures[0].figures(),
        measures[1].figures(),
        _difference(differences, "utility", limits.gain),
        _difference(differences, "auroc", limits.gain),
        float((ours.label == 1).sum() / ours.risk.sum()),
        subgroups=_by_subgroup(groups, (ours, theirs), limits, n_bootstrap),
    )
    return evidence, differences


def _septic(scored: Scored) -> NDArray[np.bool_]:
    return np.asarray(np.maximum.reduceat(scored.label, scored.starts[:-1]) == 1)


def _by_subgroup(
    groups: dict[str, NDArray[np.int64]],
    scored: tuple[Scored, Scored],
    limits: Limits,
    n_bootstrap: int,
) -> dict[str, Subgroup]:
    """Each subgroup's septic stays, and the difference of AUROC where they are enough."""
    if not limits.least_septic_subgroup:
        return {}
    judged, septic = {}, _septic(scored[0])
    for name, stays in groups.items():
        n_septic, low, high = int(septic[stays].sum()), np.nan, np.nan
        if n_septic >= limits.least_septic_subgroup:
            measures = [Measure(one.take(stays)) for one in scored]
            drawn = replicates(measures, n_bootstrap, names=DECISIVE)
            difference = _difference(drawn[0] - drawn[1], "auroc", limits.gain)
            low, high = difference.low, difference.high
        judged[name] = Subgroup(n_septic, low, high)
    return judged


def _difference(differences: NDArray[np.float64], name: str, gain: float) -> Difference:
    values = differences[:, DECISIVE.index(name)]
    values = values[~np.isnan(values)]
    if not len(values):
        return Difference(np.nan, np.nan, np.nan, 0.0)
    low, high = np.quantile(values, (0.05, 0.95)).tolist()
    return Difference(low, high, float(values.std()), float((values > gain).mean()))


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
