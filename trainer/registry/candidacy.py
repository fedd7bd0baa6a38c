"""What a run asks of its candidates while they are made, so that the gates can open at all.

A bundle's alert budget is the most that people are to hear. A champion of other hospitals may stay
far below it at this site, and the gate of alerts lets through only a little more than people hear
now. So a candidate chooses its alert threshold within both: a better ranking then finds more septic
stays with as many alerts. Whether people are to hear more is a person's decision, in the policy.
One that learned from public stays as well chooses on the site's own ones: it alerts less or more
often elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from trainer.data.dataset import Dataset
from trainer.data.learned_stays import learned_from
from trainer.data.split_rules import ByHash
from trainer.decisions.operating_point import enough_to_choose
from trainer.decisions.predictions import predict

ALWAYS: Final = ByHash()
"""The split of every run, unless its knobs have another salt."""


@dataclass(frozen=True, slots=True)
class Candidacy:
    """A bundle that is made to be compared with the champion, on a side that it leaves out.

    Attributes:
        most_alerts: alert starts per patient-day that it may cause; infinite: its budget alone
            holds.
        site: ids of the stays of the site, among public ones that are learned from as well.
        rule: of the run's split, by which the deciding side is drawn.
    """

    most_alerts: float = math.inf
    site: frozenset[str] = frozenset()
    rule: ByHash = ALWAYS

    def to_choose_on(self, stays: Dataset) -> Dataset:
        """The site's own ones among the stays to choose thresholds on, where they are enough."""
        ids = stays.cohort.patient_ids
        own = np.array([i for i in stays.stays.tolist() if ids[i] in self.site], np.int64)
        is_enough = enough_to_choose(int(stays.cohort.septic[own].sum()))
        return replace(stays, stays=own) if is_enough else stays


def candidacy(
    champion: Bundle, known: Dataset, highest_ratio: float, rule: ByHash = ALWAYS
) -> Candidacy:
    """What the champion's alerts at the site leave to candidates.

    They are counted on stays that its network did not learn from, as those of people to come, if
    there are any.

    Args:
        champion: the bundle in force.
        known: the stays of the site that candidates learn from.
        highest_ratio: of alert starts over the champion's, that the gate lets through.
        rule: of the run's split; that of every run by default.
    """
    others = known.stays[~learned_from(champion.manifest, known.cohort)[known.stays]]
    counted = replace(known, stays=others) if len(others) else known
    starts = predict(build.build(champion), counted).scored().alert_starts
    most = most_alerts(int(starts.sum()), len(starts) / 24, highest_ratio)
    return Candidacy(most, frozenset(known.cohort.patient_ids), rule)


def most_alerts(n_starts: int, patient_days: float, highest_ratio: float) -> float:
    """Alert starts per patient-day that a candidate may cause on the stays that it is chosen on.

    Those that decide are others: a standard deviation of the champion's count is left to chance. A
    champion without alerts has no ratio.

    >>> round(most_alerts(100, 1000, 1.10), 3), most_alerts(0, 1000, 1.10)
    (0.1, inf)
    """
    if not n_starts:
        return math.inf
    return n_starts / patient_days * highest_ratio / (1 + 1 / math.sqrt(n_starts))
