from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.support.synthetic_cohort import learnable_file
from tests.support.training_material import material_of
from trainer.decisions.chosen_stays import chosen_stays, whose


def test_the_stays_are_named_by_side_and_counted(tmp_path: Path) -> None:
    material = material_of(learnable_file(tmp_path, 60))
    split, septic = material.split, material.cohort.septic
    of_one = chosen_stays(material, split.validation, site=False)
    assert of_one == {
        "sides": "validation",
        "site": False,
        "learned": False,
        "n_patients": len(split.validation),
        "n_septic": int(septic[split.validation].sum()),
    }
    known = np.sort(np.concatenate([split.train, split.validation]))
    learned = np.zeros(len(septic), np.bool_)
    learned[split.train[0]] = True
    of_both = chosen_stays(replace(material, learned=learned), known, site=True)
    assert (of_both["sides"], of_both["learned"]) == ("training and validation", True)
    assert whose(of_both) == "the site's own training and validation"
    assert whose(of_one) == "validation"
