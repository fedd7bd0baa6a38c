"""``load``, ``fit``, ``evaluate``, ``predict``, ``compare`` and ``Model`` (`docs/notebook.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from streamer.bundles import build
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import NO_FORECAST, SHIPPED, Bundle, BundleError
from streamer.datasets.physionet2019 import read_2019
from trainer.errors import WrongUsage
from trainer.evaluate import evaluate as evaluate_bundle
from trainer.fit import fit as fit_bundle
from trainer.metrics.definitions import METRICS
from trainer.notebook.frames import as_file, as_frame
from trainer.progress import Reporter
from trainer.scoring.bulk import score
from trainer.scoring.table import as_table
from trainer.training.recipe import Recipe

if TYPE_CHECKING:
    from trainer.evaluate import Patients
    from trainer.notebook.frames import DataFrame


class Model:
    """A model bundle.

    Attributes:
        bundle: the bundle, with its manifest and card.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._model = build.build(bundle)

    @classmethod
    def from_pretrained(cls, folder: Path | str | None = None) -> Model:
        """The bundle in a folder; without one the shipped bundle.

        Raises:
            BundleError: it cannot be used.
        """
        return cls(bundles.load(SHIPPED if folder is None else Path(folder)))

    @property
    def threshold(self) -> float:
        """The 6 h risk above which an hour is positive."""
        return self._model.threshold

    def predict(self, stays: DataFrame, *, forecast: bool = False) -> DataFrame:
        """Scores stays; labels are not needed.

        Args:
            stays: a row an hour, as of ``load``.
            forecast: whether to forecast vital signs, too.

        Returns:
            a row an hour in the same order, with the columns of ``trainer score``.

        Raises:
            DataError: rows that cannot be read.
            BundleError: a forecast is asked for, and this bundle has none.
        """
        import pandas as pd  # noqa: PLC0415

        if forecast and not self.bundle.has_forecast:
            raise BundleError(f"bundle {self.bundle.shown_id}: {NO_FORECAST}")
        with as_file(stays) as file:
            cohort = read_2019([file], need_label=False)
        blocks = score(self._model, cohort, forecast=forecast)
        tables = [as_table(block, self.threshold).to_pandas() for block in blocks]
        return pd.concat(tables, ignore_index=True)

    def __repr__(self) -> str:
        return f"<Model {self.bundle.shown_id}>"


def load(*paths: Path | str) -> DataFrame:
    """Reads stays, with labels or without, as `trainer describe` reads them.

    Raises:
        DataError: files that cannot be read.
    """
    return as_frame(read_2019([Path(path) for path in paths], need_label=False))


def fit(stays: DataFrame, out: Path | str, **knobs: object) -> Model:
    """Trains a model on labelled stays, as `trainer fit` does.

    Args:
        stays: a row an hour, as of ``load``.
        out: folder that gets bundle, plots and history.
        knobs: of ``trainer/training/recipe.py``, such as ``epochs=5``.

    Raises:
        WrongUsage: a knob that there is not, or that cannot have this value.
        InputError: stays that cannot be right, or too few of them.
    """
    recipe, wrong = Recipe().changed(f"{name}={value}" for name, value in knobs.items())
    if faults := [*wrong, *recipe.problems()]:
        raise WrongUsage(faults)
    with as_file(stays) as file:
        return Model(fit_bundle([file], Path(out), recipe, reporter=Reporter()).bundle)


def evaluate(
    model: Model, stays: DataFrame, *, patients: Patients = "all", n_bootstrap: int = 0
) -> DataFrame:
    """The figures of a model on labelled stays, as `trainer evaluate` has them.

    Args:
        model: scores them.
        stays: a row an hour, as of ``load``.
        patients: all of them, or those of the ``test`` or ``validation`` side of the model's own
            split. Figures of ``validation`` flatter: epoch, calibration and thresholds were chosen
            on these patients.
        n_bootstrap: replicates of 95 % intervals, in columns ``NAME_low`` and ``NAME_high``.

    Returns:
        a row ``all`` and one for each hospital that is named.
    """
    import pandas as pd  # noqa: PLC0415

    with as_file(stays) as file:
        figures = evaluate_bundle(
            model.bundle,
            [file],
            reporter=Reporter(Console(stderr=True)),
            patients=patients,
            n_bootstrap=n_bootstrap,
        ).figures
    rows = {"all": figures, **figures["by_site"]}
    names: Sequence[str] = ("n_patients", "n_septic", "n_rows", *METRICS)
    table = {}
    for row, of_row in rows.items():
        table[row] = {name: of_row[name] for name in names}
        for name in METRICS:
            if f"{name}_ci" in of_row:
                table[row] |= dict(
                    zip((f"{name}_low", f"{name}_high"), of_row[f"{name}_ci"], strict=True)
                )
    return pd.DataFrame.from_dict(table, orient="index")


def predict(model: Model, stays: DataFrame, *, forecast: bool = False) -> DataFrame:
    """As ``Model.predict``."""
    return model.predict(stays, forecast=forecast)
