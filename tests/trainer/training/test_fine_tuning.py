from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from streamer.bundles.build import build, make
from streamer.bundles.manifest import DataSummary
from tests.support.small_models import random_model
from tests.support.synthetic_cohort import learnable_file
from trainer.data.cohort import load_cohort
from trainer.data.gathering import gather
from trainer.data.split_rules import ByHash
from trainer.data.training_patients import SeenPatients
from trainer.errors import InputError
from trainer.progress import Reporter
from trainer.training.fine_tuning import fine_tuning_of, goes_on_from
from trainer.training.recipe import FINE_TUNING

QUIET = Reporter(Console(quiet=True))


def test_a_fit_goes_on_with_network_and_scaling_and_knows_whom_they_learned_from(
    tmp_path: Path,
) -> None:
    cohort = load_cohort([learnable_file(tmp_path, 80)])
    data: DataSummary = {"seen": SeenPatients.of(cohort.patient_ids[:40]).to_text()}
    start = make(random_model(), {"data": data, "split": ByHash().to_json()}, "")
    recipe = fine_tuning_of(start)
    assert recipe.hidden == build(start).architecture.hidden
    knobs = dict(knob.split("=") for knob in FINE_TUNING)
    assert recipe.reading_epochs == int(knobs["reading_epochs"])
    material, summary = gather(cohort, ByHash(), QUIET)
    on, about = goes_on_from(start, recipe, material, summary)
    assert np.array_equal(on.scaling.mean, build(start).scaling.mean)
    assert on.start is not None
    known = set(range(40)) - set(material.split.validation)
    assert known <= set(range(80)) - set(on.not_learned(np.arange(80)))
    assert np.array_equal(on.not_learned(material.split.validation), material.split.validation)
    assert len(about["seen"]) > len(summary["seen"])
    with pytest.raises(InputError, match="size"):
        goes_on_from(start, recipe.changed(["hidden=99"])[0], material, summary)
