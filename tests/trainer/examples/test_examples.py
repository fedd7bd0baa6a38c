from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

from tests.support.example_files import diabetes_csv, many_admissions, quiet, records_2012
from trainer import cli
from trainer.examples import drug_effects, mortality, next_number, readmission
from trainer.examples.drug_cohort import LONGEST, curves
from trainer.examples.drug_models import MODELS, Fitted
from trainer.examples.estimates import Estimate
from trainer.examples.handout import Handout, Table
from trainer.examples.mortality_recipe import RECIPE
from trainer.examples.recurrent import Recurrent, Sequences, TrainingSchedule, fit, predict

SMALL = ["encoder=8", "hidden=8", "binned=2", "reading_epochs=1", "epochs=1", "teacher_share=0"]


def whole(handout: Handout) -> str:
    """Checks that figure and reading are there; returns the reading."""
    pixels = matplotlib.image.imread(handout.figure)
    assert (pixels[..., :3] < 1).any(axis=-1).mean() > 0.05
    text = (handout.figure.parent / "reading.md").read_text()
    assert text == handout.reading
    assert f"]({handout.figure.name})" in text
    assert "nan" not in text
    return text


def test_next_number(tmp_path: Path) -> None:
    text = whole(next_number.run(tmp_path, quiet(), sequences=64, epochs=2))
    assert len(re.findall(r"^\| (?:last value|straight line|AR\(4\)|LSTM)", text, re.M)) == 5
    assert re.search(r"the LSTM \([\d.]+% .*(better|worse|told apart)", text)


def test_drug_effects(tmp_path: Path) -> None:
    text = whole(drug_effects.run(tmp_path, quiet(), patients=40, epochs=2, repetitions=2))
    assert "Drug B (flat, then drops) is recovered" in text
    assert "after a dose of C they move most" in text


def test_readmission_of_a_generated_cohort(tmp_path: Path) -> None:
    text = whole(readmission.run(tmp_path, quiet(), patients=300, epochs=2))
    assert "of the generated cohort" in text
    assert "The cohort is invented" in text


def test_readmission_of_a_file(tmp_path: Path) -> None:
    file = diabetes_csv(tmp_path / "diabetic_data.csv", many_admissions(200))
    text = whole(readmission.run(tmp_path / "out", quiet(), data=file, epochs=2))
    assert "of the file" in text
    assert "invented" not in text


def test_mortality(tmp_path: Path) -> None:
    data, outcomes = records_2012(tmp_path, 120)
    recipe, wrong = RECIPE.changed(SMALL)
    assert not wrong
    text = whole(mortality.run(tmp_path / "out", quiet(), data, outcomes, recipe))
    assert "By AUROC, the network" in text
    assert "| SAPS-I " in text


def test_a_curve_is_recovered_by_what_acts_so() -> None:
    truth = curves()

    def predict_status(doses: np.ndarray) -> np.ndarray:
        found = np.zeros(doses.shape[:2])
        for lag in range(LONGEST):
            found[:, lag:] += doses[:, : doses.shape[1] - lag] @ truth[:, lag]
        return found

    doses = np.zeros((4, 72, 3))
    doses[:, 3] = 1  # is taken away where the drug itself is asked about
    recovered = drug_effects.response(Fitted(predict_status), doses)
    np.testing.assert_allclose(recovered, truth, atol=1e-12)
    np.testing.assert_allclose(drug_effects.curve_errors(recovered), 0, atol=1e-12)
    np.testing.assert_allclose(drug_effects.curve_errors(np.zeros_like(truth)), 1)


def test_the_reading_says_otherwise_where_it_is_otherwise() -> None:
    flat = {name: np.full((2, 3), 0.9) for name in MODELS}
    flat["RNN"] = np.full((2, 3), 0.1)
    same = [Estimate(0.5, 0.4, 0.6)] * len(MODELS)
    nothing = [Estimate(0.0, -0.1, 0.1)] * len(MODELS)
    first = drug_effects.Repetition(
        {n: Fitted(lambda d: d[..., 0], note="a note") for n in MODELS}, {}, {}
    )
    gates = np.random.default_rng(0).normal(size=(3, 4, LONGEST))
    text = "\n".join(drug_effects._reading(flat, [*same, *nothing], first, gates))
    assert text.count("in every cohort by: RNN; in no cohort by: 'GLM, dose now'") == 3
    assert "the LSTM cannot be told apart from 'GLM, dose now'" in text
    assert "better" not in text


def test_a_network_stops_early_and_no_step_sees_the_next() -> None:
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(6, 40, 2, generator=draws)
    noise = torch.randn(6, 40, generator=draws)
    known = torch.ones(6, 40, dtype=torch.bool)
    known[4:, ::2] = False
    sequences = Sequences(x, noise, known)
    asked: list[int] = []
    network, best = fit(
        lambda: Recurrent("lstm", 2, 16, 2, 0.1),
        sequences.take(np.arange(20)),
        sequences.take(np.arange(20, 40)),
        mse_loss,
        TrainingSchedule(60, 3, 5, 1e-2, 0),
        lambda done, _: asked.append(done),
    )
    assert asked[-1] == best + 3 < 60  # noise cannot be learned
    later = Sequences(x.clone(), noise, known)
    later.x[3:] += 1
    np.testing.assert_array_equal(predict(network, sequences)[:3], predict(network, later)[:3])
    assert sequences.take(np.array([0])).x.shape == (4, 1, 2)  # cut behind the longest


def test_equal_seeds_give_equal_readings(tmp_path: Path) -> None:
    texts = [
        next_number.run(tmp_path / str(i), quiet(), seed, 32, 1).reading
        for i, seed in enumerate((3, 3, 4))
    ]
    assert texts[0] == texts[1] != texts[2]


def test_a_table_is_markdown() -> None:
    table = str(Table(["a", "bb"], [["1", "2"], ["333", "4"]]))
    assert table == "| a   | bb |\n|-----|----|\n| 1   | 2  |\n| 333 | 4  |"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["trainer", "example", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def test_the_command_prints_the_reading(example: Any, tmp_path: Path) -> None:
    code, out, _ = example("next-number", "--out", tmp_path, "--sequences", 32, "--epochs", 1)
    assert code == 0
    assert out.startswith((tmp_path / "reading.md").read_text())
    assert f"figure: {tmp_path / 'next-number.png'}" in out


def test_all_that_is_wrong_is_said_at_once(example: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = ("--out", tmp_path / "file", "--data", tmp_path / "none", "--set", "size=3")
    code, _, err = example("mortality", *words)
    assert code == 2
    for fault in ("--data", "--outcomes is missing", "is a file, not a folder", "no knob size"):
        assert fault in err
    code, _, err = example("readmission", "--out", tmp_path / "o", "--data", tmp_path / "none.csv")
    assert (code, "there is no such file" in err) == (2, True)


def test_a_wrong_file_is_refused(example: Any, tmp_path: Path) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text("a,b\n1,2\n")
    code, _, err = example("readmission", "--out", tmp_path / "o", "--data", file)
    assert (code, "missing columns encounter_id" in err) == (2, True)
    few = diabetes_csv(tmp_path / "few.csv", [{}])
    code, _, err = example("readmission", "--out", tmp_path / "o", "--data", few)
    assert (code, "give more patients" in err) == (2, True)
    data, _ = records_2012(tmp_path, 3)
    code, _, err = example("mortality", "--out", tmp_path / "o", "--data", data, "--outcomes", file)
    assert (code, "missing columns RecordID" in err) == (2, True)


@pytest.mark.parametrize("name", ["next-number", "drug-effects", "readmission", "mortality"])
def test_help_teaches_without_loading_what_computes(name: str) -> None:
    program = (
        "import sys; from trainer.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'matplotlib', 'lightgbm')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "example", name, "--help"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"trainer example {name}" in done.stdout
