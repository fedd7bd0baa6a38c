"""A fit on the archive of replayed stays and one on their files: the same weights, to the byte.

The stays are replayed with their observations up to 40 hours late, each sent one to three times,
and an archiver is cut off with a batch in its hands. What is archived and folded must be the stays
of the files: a fit on them gives the same weights and figures. Under pseudonyms sides, counts and
the figures of the shipped model are the same, and no raw id is left.

    python -m bench.archived_fit --data dev_A.parquet --stays 2000
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.archived_log import PLAIN, archive, brokers, shuffled
from streamer.bundles import build
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED, Bundle
from streamer.datasets.cohort import Cohort
from streamer.process.terminal import say
from trainer.archive.export import export
from trainer.archive.fold import fold
from trainer.archive.pseudonyms import PatientNames
from trainer.archive.source import SCHEME
from trainer.data.cohort import counts, fingerprint, load_cohort
from trainer.data.dataset import Dataset, build_features
from trainer.data.split import side_of, split_patients
from trainer.decisions.predictions import predict
from trainer.fit import fit
from trainer.metrics.definitions import Measure
from trainer.progress import Reporter
from trainer.training.recipe import Recipe

SMALL: Final = (
    "teacher_folds=2", "teacher_windows=0", "teacher_rounds=20", "encoder=16", "hidden=16",
    "reading_epochs=1", "epochs=1", "forecast_epochs=1",
)  # fmt: skip
"""Every part of a fit, each short: what differs in one row differs in all weights."""

_DIGITS: Final = 12  # of a figure: sums over stays in another order differ in the last one or two


def main(arguments: Sequence[str]) -> int:
    """Prints a line a check; 1 where one does not hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.archived_fit", description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--stays", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=2, help="of the order and the copies")
    options = parser.parse_args(arguments)
    whole = load_cohort(options.data)
    first = sorted(range(len(whole)), key=whole.patient_ids.__getitem__)[: options.stays]
    with tempfile.TemporaryDirectory(prefix="vigil-archived-") as name:
        checks = _checks(whole.take(first), Path(name), options.seed)
    for what, holds in checks.items():
        say(f"{'holds' if holds else 'DOES NOT HOLD'}: {what}")
    return 0 if all(checks.values()) else 1


def _checks(stays: Cohort, folder: Path, seed: int) -> dict[str, bool]:
    """Whether each promise holds, by its words."""
    export(stays, folder / "files.parquet")
    feed = shuffled(stays, seed)
    say(f"{len(stays):,} stays, {int(stays.septic.sum())} septic: {len(feed):,} records")
    names = {"plain": PLAIN, "keyed": PatientNames(b"of a measurement")}
    sources = {}
    for kind, own in names.items():
        archive(folder / kind, brokers(feed), own, cut_after=5)
        fold(folder / kind)
        sources[kind] = Path(f"{SCHEME}{folder / kind}")
    files = load_cohort([folder / "files.parquet"])
    plain, keyed = (load_cohort([source]) for source in sources.values())
    raw = _holding(folder / "keyed", files.patient_ids)
    one, other = (
        _fitted(source, folder / f"fit-{n}")
        for n, source in enumerate((folder / "files.parquet", sources["plain"]))
    )
    say(f"weights {_sha256(one)} of the files, {_sha256(other)} of the archive")
    return {
        "the archive's stays are those of the files": fingerprint(plain) == fingerprint(files),
        "a fit on either gives the same weights": one.weights == other.weights,
        "and the same figures": one.manifest["metrics"] == other.manifest["metrics"],
        "under pseudonyms counts are the same": counts(keyed) == counts(files),
        "and sides": _sides(keyed) == _sides(files),
        "and figures of the shipped model on the test side": _figures(keyed) == _figures(files),
        f"no raw id is in the archive ({raw} files hold one)": raw == 0,
    }


def _fitted(source: Path, out: Path) -> Bundle:
    recipe, wrong = Recipe().changed(SMALL)
    assert not wrong
    quiet = Reporter(Console(quiet=True))
    return fit([source], out, recipe, reporter=quiet, n_bootstrap=0).bundle


def _sha256(bundle: Bundle) -> str:
    return hashlib.sha256(bundle.weights).hexdigest()[:16]


def _sides(cohort: Cohort) -> list[str]:
    return sorted(side_of(patient) for patient in cohort.patient_ids)


def _figures(cohort: Cohort) -> Mapping[str, str]:
    test = cohort.take(split_patients(cohort.owners).test)
    model = build.build(bundles.load(SHIPPED))
    scored = predict(model, Dataset.whole(test, build_features(test))).scored()
    return {name: f"{value:.{_DIGITS}g}" for name, value in Measure(scored).figures().items()}


def _holding(folder: Path, patients: Sequence[str]) -> int:
    """How many files below a folder hold one of these ids."""
    ids = [patient.encode() for patient in patients]
    files = (file.read_bytes() for file in folder.rglob("*") if file.is_file())
    return sum(any(patient in content for patient in ids) for content in files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
