"""The stays of a fit: read, looked at, split, and described for the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from streamer.bundles.bundle import Bundle
from streamer.bundles.manifest import DataSummary, Manifest
from streamer.datasets.cohort import Cohort
from streamer.datasets.task import Task
from trainer.data.cohort import counts, fingerprint, load_cohort
from trainer.data.dataset import Material, build_features, fit_scaling
from trainer.data.known_stays import content_of, contents_of, not_fitted_on
from trainer.data.report import DataReport
from trainer.data.split import SIDES, Split
from trainer.data.split_rules import SplitRule
from trainer.data.training_patients import SeenPatients, own_key, seen_of
from trainer.errors import TooLittleData
from trainer.progress import Reporter

LEAST_STAYS: Final = 24
"""With fewer stays, it is luck whether each of the three sides has a septic and another stay."""


def read(paths: Sequence[Path], reporter: Reporter, task: Task | None = None) -> Cohort:
    """Reads labelled stays, by a task or as PhysioNet 2019, and says what is wrong with them.

    Raises:
        DataError: files that cannot be read.
        UnfitData: stays that cannot be right.
    """
    with reporter.follow("reading") as progress:
        cohort = load_cohort(paths, progress, task)
    tell(DataReport.of(cohort), reporter)
    return cohort


def gather(cohort: Cohort, rule: SplitRule, reporter: Reporter) -> tuple[Material, DataSummary]:
    """Splits the stays, builds their features and scales them by training patients.

    Args:
        cohort: the stays, with labels.
        rule: of the split.
        reporter: shows the progress.

    Returns:
        the material of training, and the manifest's account of it.

    Raises:
        TooLittleData: a side of the split lacks patients of a kind.
    """
    split = rule.split(cohort)
    refuse_too_little(cohort, split)
    data = describe(cohort, split)
    kind = "septic" if cohort.task is None else "with the outcome"
    reporter.say(
        f"{data['n_patients']} stays, {data['n_septic']} {kind}, {data['n_rows']} hours; "
        + ", ".join(f"{data['sides'][side]['n_patients']} {side}" for side in SIDES)
    )
    with reporter.follow("building features") as progress:
        built = build_features(cohort, progress)
    training_rows = np.isin(cohort.patient_of_row, split.train)
    return Material(cohort, built, fit_scaling(built, training_rows), split), data


def tell(report: DataReport, reporter: Reporter) -> None:
    """Says what is wrong with the data.

    Raises:
        UnfitData: something cannot be right.
    """
    for line in report.lines():
        reporter.say(line)
    report.refuse()


def refuse_too_little(cohort: Cohort, split: Split, test: NDArray[np.int64] | None = None) -> None:
    """Raises ``TooLittleData`` unless every side can do its part.

    Args:
        cohort: the stays.
        split: their sides.
        test: the test stays that figures are of, where they are not the whole side.
    """
    wrong = []
    if len(cohort) < LEAST_STAYS:
        wrong.append(f"{len(cohort)} stays in all, at least {LEAST_STAYS} are needed")
    for side in SIDES:
        stays = split.side(side) if side != "test" or test is None else test
        septic = cohort.septic[stays]
        for kind, n in (("septic", septic.sum()), ("not septic", (~septic).sum())):
            if not n:
                wrong.append(f"none of the {len(septic)} {side} patients is {kind}")
    if wrong:
        raise TooLittleData(
            "; ".join(wrong) + ". Give more stays; on a small set another --salt may also help"
        )


def describe(cohort: Cohort, split: Split) -> DataSummary:
    """The manifest's account of the data: fingerprints, and how many are on each side."""
    known = cohort.take(np.sort(np.concatenate([split.train, split.validation])))
    key = own_key(make=True)
    return {
        **fingerprint(cohort),
        # Training depends on these alone: other test patients are not other training data.
        "fitted_on": fingerprint(known)["sha256"],
        "sides": {side: asdict(counts(cohort.take(split.side(side)))) for side in SIDES},
        "seen": SeenPatients.of(known.patient_ids, key).to_text(),
        "seen_content": SeenPatients.of(contents_of(known), key).to_text(),
    }


class Seen(TypedDict, total=False):
    """The part of a manifest's data that tells whom a bundle was fitted on."""

    seen: str
    seen_content: str


def also_seen(manifest: Manifest, cohort: Cohort) -> Seen:
    """Whom a bundle was fitted on, and these as well; empty where it does not say."""
    seen, content, key = seen_of(manifest), content_of(manifest), own_key(make=True)
    part: Seen = {}
    if seen is not None:
        part["seen"] = replace(seen, key=key).also(cohort.patient_ids).to_text()
        if content is not None:
            part["seen_content"] = replace(content, key=key).also(contents_of(cohort)).to_text()
    return part


def unknown_to(
    start: Bundle, material: Material, test: NDArray[np.int64], reporter: Reporter
) -> NDArray[np.int64]:
    """The test stays without those that the bundle gone on from was fitted on.

    Its split may have been another one: its own training patients would flatter the figures.
    """
    left = not_fitted_on(start.manifest, material.cohort, test)
    if len(left) < len(test):
        validation = material.split.validation
        n = len(validation) - len(not_fitted_on(start.manifest, material.cohort, validation))
        reporter.say(
            f"warning: bundle {start.shown_id} was fitted on {len(test) - len(left)} of the "
            f"{len(test)} test patients, who are left out, and on {n} of the {len(validation)} "
            "validation patients, by whom the fit may stop too late: give the split of the bundle"
        )
    return left
