"""Computes `trainer/data/public_2019.json` from the public files.

    python -m bench.public_reference training_setA training_setB

The figures are aggregates over all stays. The Bloom filter holds what was measured in the stays
that the shipped bundle was fitted on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED
from trainer.data.cohort import fingerprint, load_cohort
from trainer.data.known_stays import contents_of
from trainer.data.public_2019 import FILE, Public2019
from trainer.data.split import split_patients
from trainer.data.training_patients import SeenPatients
from trainer.data.variable_figures import stay_figures, variable_figures


def public_reference(paths: list[Path]) -> Public2019:
    """The content of the file.

    Raises:
        SystemExit: these are not the files that the shipped bundle was fitted on.
    """
    shipped = bundles.load(SHIPPED)
    cohort = load_cohort(paths)
    if fingerprint(cohort)["sha256"] != shipped.manifest["data"]["sha256"]:
        raise SystemExit("these are not all the files that the shipped bundle was fitted on")
    low, middle, high = shipped.manifest["split"]["fractions"]
    split = split_patients(
        cohort.patient_ids, shipped.manifest["split"]["salt"], (low, middle, high)
    )
    fitted_on = cohort.take([*split.train, *split.validation])
    return {
        "model": shipped.model_id,
        "seen_content": SeenPatients.of(contents_of(fitted_on)).to_text(),
        "variables": variable_figures(cohort),
        "stays": stay_figures(cohort),
    }


if __name__ == "__main__":
    content = public_reference([Path(word) for word in sys.argv[1:]])
    FILE.write_text(json.dumps(content, indent=1) + "\n")
