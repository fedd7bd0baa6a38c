"""Gates on trial: how often a worse model passes, and how often one that is as good does.

A copy of the champion with noise in its logits loses some 0.03 utility; it must never be promoted.
Another seed of the champion's own recipe is as good; with a champion that is old it should be
promoted in most resamples of the deciding stays.

    python -m bench.gate_trials --data FILE... [--candidate BUNDLE]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from streamer.bundles import build
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED
from trainer.data.cohort import load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.decisions.predictions import predict
from trainer.evaluate import own_split
from trainer.metrics.definitions import Measure, Scored
from trainer.progress import Reporter
from trainer.registry.gates import DEFAULT, Verdict, all_pass, gates
from trainer.registry.promotion import evidence_of

TRIALS: Final = 20
OLD_DAYS: Final = 365.0
NO_SUBGROUPS: Final = replace(DEFAULT, least_septic_subgroup=0)
NOISE: Final = 1.0
"""Standard deviation of the noise of a stay's logits."""


def noisy(scored: Scored, seed: int, threshold: float, noise: float) -> Scored:
    """The champion's risks with noise in the log odds, new in each hour."""
    draws = np.random.default_rng(seed)
    logits = np.log(scored.risk / (1 - scored.risk)) + draws.normal(0, noise, len(scored.risk))
    risk = 1 / (1 + np.exp(-logits))
    return replace(scored, risk=risk, positive=risk > threshold)


def other_seed(candidate: Scored, champion: Scored, seed: int) -> tuple[Scored, Scored]:
    """Both on the same stays, drawn with replacement."""
    n = len(candidate.patient_ids)
    stays = np.random.default_rng(seed).integers(n, size=n)
    return candidate.take(stays), champion.take(stays)


def trial(candidate: Scored, champion: Scored, n_bootstrap: int, days: float) -> tuple[bool, str]:
    """Whether every gate is open; and the gain of utility with the closed ones."""
    evidence, _ = evidence_of(candidate, champion, {}, n_bootstrap, NO_SUBGROUPS)
    verdicts = gates(replace(evidence, champion_days=days), NO_SUBGROUPS)
    closed = ", ".join(f"{g.name} ({g.verdict})" for g in verdicts if g.verdict is not Verdict.PASS)
    gain = evidence.candidate["utility"] - evidence.champion["utility"]
    return all_pass(verdicts), f"utility {gain:+.3f}, {closed or 'promoted'}"


def main(arguments: Sequence[str]) -> int:
    """Prints a line a trial, and how many were promoted."""
    parser = argparse.ArgumentParser(prog="python -m bench.gate_trials", description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--champion", type=Path, default=SHIPPED, help="default: as shipped")
    parser.add_argument("--candidate", type=Path, help="a bundle of another seed, same recipe")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--bootstrap", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=NOISE)
    options = parser.parse_args(arguments)
    reporter = Reporter()
    champion = bundles.load(options.champion)
    cohort = load_cohort(options.data)
    cohort = cohort.take(own_split(champion, cohort).test)
    dataset = Dataset.whole(cohort, build_features(cohort))
    model = build.build(champion)
    theirs = predict(model, dataset).scored()
    before = Measure(theirs).figures(names=["utility"])["utility"]
    reporter.say(f"{len(cohort)} stays, {cohort.septic.sum()} septic; utility {before:.3f}")
    if options.candidate is not None:
        other = predict(build.build(bundles.load(options.candidate)), dataset).scored()
    promoted = 0
    for seed in range(options.trials):
        if options.candidate is None:
            pair = noisy(theirs, seed, model.threshold, options.noise), theirs
        else:
            pair = other_seed(other, theirs, seed)
        days = 0.0 if options.candidate is None else OLD_DAYS
        is_open, text = trial(*pair, options.bootstrap, days)
        promoted += is_open
        reporter.say(f"{seed}: {text}")
    reporter.say(f"promoted in {promoted} of {options.trials}; margin {DEFAULT.utility_margin:g}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
