"""What a run asks of its candidates while they are made, so that the gates can open at all.

A bundle's alert budget is the most that people are to hear. A champion of other hospitals may stay
far below it at this site, and the gate of alerts lets through only a little more than people hear
now. So a candidate chooses its alert threshold within both: a better ranking then finds more septic
stays with as many alerts. Whether people are to hear more is a person's decision, in the policy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from trainer.data.dataset import Dataset
from trainer.decisions.predictions import predict


@dataclass(frozen=True, slots=True)
class Candidacy:
    """A bundle that is made to be compared with the champion, on a side that it leaves out.

    Attributes:
        most_alerts: alert starts per patient-day that it may cause; infinite: its budget alone
            holds.
    """

    most_alerts: float = math.inf


def candidacy(champion: Bundle, known: Dataset, highest_ratio: float) -> Candidacy:
    """What the champion's alerts at the site leave to candidates.

    Args:
        champion: the bundle in force.
        known: the stays of the site that candidates learn from.
        highest_ratio: of alert starts over the champion's, that the gate lets through.
    """
    starts = predict(build.build(champion), known).scored().alert_starts
    return Candidacy(most_alerts(int(starts.sum()), len(starts) / 24, highest_ratio))


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
