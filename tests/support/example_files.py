"""Tiny files in the layouts that the examples read, and how a command of theirs is run."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.image
import numpy as np
from rich.console import Console

from trainer.examples.diabetes_file import NEEDED
from trainer.examples.handout import Handout
from trainer.progress import Reporter

ADMISSION = {
    "encounter_id": "1",
    "patient_nbr": "100",
    "gender": "Female",
    "age": "[70-80)",
    "admission_type_id": "1",
    "discharge_disposition_id": "1",
    "diag_1": "428",
    "max_glu_serum": "None",
    "A1Cresult": ">8",
    "insulin": "Up",
    "change": "Ch",
    "diabetesMed": "Yes",
    "readmitted": "NO",
}


def quiet() -> Reporter:
    return Reporter(Console(file=io.StringIO()))


def diabetes_csv(file: Path, rows: list[dict[str, str]]) -> Path:
    """Rows of diabetic_data.csv; a column that a row does not name is as in ``ADMISSION``, or 3."""
    lines = [",".join(["race", *NEEDED])]
    lines += [",".join(["?", *((ADMISSION | row).get(n, "3") for n in NEEDED)]) for row in rows]
    file.write_text("\n".join(lines) + "\n")
    return file


def many_admissions(n_patients: int, seed: int = 0) -> list[dict[str, str]]:
    """Admissions of as many patients, two each, where long stays come back."""
    draws = np.random.default_rng(seed)
    rows = []
    for i in range(2 * n_patients):
        days = int(draws.integers(1, 14))
        back = draws.random() < days / 20
        rows.append(
            {
                "encounter_id": str(1000 + i),
                "patient_nbr": str(i % n_patients),
                "time_in_hospital": str(days),
                "A1Cresult": str(draws.choice(["None", ">7", ">8", "Norm"])),
                "readmitted": "<30" if back else "NO",
            }
        )
    return rows


def records_2012(folder: Path, n: int, seed: int = 0) -> tuple[Path, Path]:
    """Records and outcomes of the 2012 layout; who dies has a fast heart and much lactate."""
    draws = np.random.default_rng(seed)
    data = folder / "set-a"
    data.mkdir()
    outcomes = ["RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death"]
    for i in range(n):
        record, died = 132539 + i, i % 3 == 0
        lines = ["Time,Parameter,Value", f"00:00,RecordID,{record}", "00:00,Age,60"]
        for hour in range(0, 48, 4):
            rate = draws.normal(110 if died else 80, 15)
            lines.append(f"{hour:02d}:{draws.integers(60):02d},HR,{rate:.0f}")
        lines.append(f"06:30,Lactate,{draws.uniform(1, 9 if died else 4):.1f}")
        (data / f"{record}.txt").write_text("\n".join(lines) + "\n")
        score = -1 if i == 1 else 10 + 3 * died
        outcomes.append(f"{record},{score},{score},9,-1,{int(died)}")
    file = folder / "Outcomes-a.txt"
    file.write_text("\n".join(outcomes) + "\n")
    return data, file


def reading_of(handout: Handout) -> str:
    """Checks that figure and reading are there; returns the reading."""
    pixels = matplotlib.image.imread(handout.figure)
    assert (pixels[..., :3] < 1).any(axis=-1).mean() > 0.05
    text = (handout.figure.parent / "reading.md").read_text()
    assert text == handout.reading
    assert f"]({handout.figure.name})" in text
    assert "nan" not in text
    return text
