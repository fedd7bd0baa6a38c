"""The forecast's part of a fit: its head, its baselines, and the figures of both."""

from __future__ import annotations

from streamer.bundles.manifest import FORECAST, Metrics
from streamer.core.forecast import ForecastHead
from streamer.core.model import Model
from trainer.data.dataset import Dataset, Material
from trainer.forecast.baselines import fit_baselines
from trainer.forecast.figures import as_kept, forecast_figures
from trainer.forecast.training import train_head
from trainer.progress import Reporter
from trainer.training.recipe import Recipe


def fit_forecast(
    model: Model,
    material: Material,
    test: Dataset,
    recipe: Recipe,
    reporter: Reporter,
    n_bootstrap: int,
    start: ForecastHead | None = None,
) -> Metrics:
    """Gives a finished model a forecast head, unless the recipe does without one.

    Args:
        model: gets the head; its risks stay as they are.
        material: data; of its sides train and validation alone are looked at.
        test: the stays that the figures of the risks are of, too.
        recipe: knobs.
        reporter: shows the progress.
        n_bootstrap: replicates of the intervals.
        start: a head to go on from.

    Returns:
        The forecast's part of the manifest's metrics: figures on the test stays, and the
        coefficients of the baselines, for comparisons on other patients. Empty without a forecast.
    """
    if not recipe.forecast_epochs:
        return {}
    with reporter.follow("forecast") as progress:
        model.forecaster = train_head(model.network, material, recipe, progress, start)
    baselines = fit_baselines(material)
    figures = as_kept(forecast_figures(model, baselines, test, n_bootstrap))
    return {FORECAST: {"test": figures, "baselines": baselines.to_json()}}
