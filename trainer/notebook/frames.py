"""Stays as DataFrames of pandas: a row an hour, with the columns that the trainer's files have."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import NO_LABEL, Cohort
from streamer.datasets.physionet2019_rows import (
    LABEL_COLUMN,
    PERSON_COLUMN,
    SITE_COLUMN,
    VALUE_COLUMNS,
)

if TYPE_CHECKING:
    import pandas as pd

    DataFrame: TypeAlias = pd.DataFrame

_FILE: Final = "stays.parquet"  # its name stands in messages about a row


@contextmanager
def as_file(stays: DataFrame) -> Iterator[Path]:
    """A parquet file of a DataFrame, for as long as it is read."""
    with tempfile.TemporaryDirectory(prefix="vigil-") as folder:
        file = Path(folder) / _FILE
        stays.to_parquet(file, index=False)
        yield file


def as_frame(cohort: Cohort) -> DataFrame:
    """The rows of stays; what was not measured is NaN."""
    import pandas as pd  # noqa: PLC0415 - an extra of its own

    lengths = cohort.lengths
    unit = cohort.icu_type
    is_known = (unit == "medical") | (unit == "surgical")
    of_stay: dict[str, NDArray[Any]] = {
        "patient": np.array(cohort.patient_ids, object),
        "Age": cohort.age,
        "Gender": np.select([cohort.sex == "female", cohort.sex == "male"], [0.0, 1.0], np.nan),
        "Unit1": np.where(is_known, unit == "medical", np.nan),
        "Unit2": np.where(is_known, unit == "surgical", np.nan),
        "HospAdmTime": -cohort.hours_since_hospital_admission,
        **{
            name: names.astype(object)
            for name, names in ((SITE_COLUMN, cohort.sites), (PERSON_COLUMN, cohort.persons))
            if names is not None
        },
    }
    columns: dict[str, NDArray[Any]] = {
        name: np.repeat(values, lengths) for name, values in of_stay.items()
    }
    columns["ICULOS"] = cohort.iculos
    columns |= {name: cohort.values[:, i] for i, name in enumerate(VALUE_COLUMNS)}
    if (cohort.label != NO_LABEL).all():
        columns[LABEL_COLUMN] = cohort.label
    return pd.DataFrame(columns)
