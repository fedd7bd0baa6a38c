"""The manifest of a model bundle, typed: everything about a model except weights and card.

A bundle's id is a hash of its manifest, so keys and values are stored exactly as they were written;
a renamed key would be another model. Bundles of earlier versions and of other programs may lack any
part: ``bundles.build`` checks those that scoring needs, and every reader of another part asks first
whether it is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NotRequired, TypeAlias, TypedDict

FORMAT: Final = 2
FORECAST: Final = "forecast"
"""The key of the forecast head's part, and of its figures in ``metrics``."""

DEEPEST: Final = 32
"""Levels of JSON that are read; the shipped manifest has 8."""

Figures: TypeAlias = dict[str, Any]
"""JSON figures by metric name, as ``trainer evaluate --json`` has them.

Each stands beside its ``<metric>_ci`` = [low, high]; with them counts, thresholds, ``model``, and
``by_site``: the same for each hospital. ``trainer.metrics.definitions`` has the names. Nothing in
the streamer reads them.
"""


class Fingerprint(TypedDict, total=False):
    """Identity and size of a set of stays: equal hashes mean equal patients, values and labels."""

    sha256: str
    n_patients: int
    n_septic: int
    n_rows: int
    n_positive_rows: int


class DataSummary(Fingerprint, total=False):
    """The training data: all stays, and the sides of the split.

    Attributes:
        fitted_on: hash of the training and validation stays alone.
        sides: counts of patients and rows by side of the split.
        seen: the patients that were fitted on, Bloom filters as text
            (``trainer.data.training_patients``).
        seen_content: the same for what was measured in their stays (``trainer.data.stay_content``).
    """

    fitted_on: str
    sides: dict[str, dict[str, int]]
    seen: str
    seen_content: str


class SplitPart(TypedDict):
    """The split by patient id: the salt of the hash, and the shares of the three sides.

    Attributes:
        decided: whether half of the test side decided on the promotion, and is not test.
        turn: of a fold: by how much the positions of the hash are turned.
        dates: of a split by date: the first of validation and the first of test.
        file_sha256: of a split by a file, which names patients and is not kept.
    """

    salt: str
    fractions: list[float]
    decided: NotRequired[bool]
    turn: NotRequired[float]
    dates: NotRequired[list[str]]
    file_sha256: NotRequired[str]


class AlertBudget(TypedDict):
    """The alert budget, and its outcome on the validation patients.

    Attributes:
        budget: most alert starts per patient-day.
        within: a lower bound that a run set, so that people hear little more than before.
        threshold: risk above which an alert starts.
        sensitivity: share of septic stays with an alert in time.
        starts_per_patient_day: alert starts there.
    """

    budget: float
    within: NotRequired[float]
    threshold: float
    sensitivity: float
    starts_per_patient_day: float


class Metrics(TypedDict, total=False):
    """Figures on patients that the model was not fitted on.

    Attributes:
        test: of all test patients.
        subgroups: of each subgroup of them.
        n_bootstrap: replicates of the intervals.
        forecast: of the forecast head, and the coefficients of its baselines.
    """

    test: Figures
    subgroups: dict[str, Figures]
    n_bootstrap: int
    forecast: Figures


Recalibration = TypedDict(
    "Recalibration",
    {
        "from": str,  # id of the bundle that was recalibrated
        "data": Fingerprint,  # of the site
        "chosen_on": dict[str, int],  # counts of the stays that calibration and thresholds rest on
        "chosen_on_seen": int | None,  # how many of these stays the bundle before lists
        "left_out": NotRequired[int],  # stays that the network learned from, and nothing rests on
        "lists_of_fits": NotRequired[int],  # of `data.seen`, those that are not of recalibrations
        "judged_on": dict[str, int],  # counts of the held-out stays
    },
)
"""The site that a bundle was recalibrated for."""


class ChosenOn(TypedDict):
    """The stays that calibration and thresholds were chosen on.

    Attributes:
        sides: `validation`, or `training and validation`.
        site: whether only the site's own serve, though others were learned from as well.
        learned: whether the bundle that the fit goes on from had learned from some of them.
        n_patients: their number.
        n_septic: of the septic ones.
    """

    sides: str
    site: bool
    learned: bool
    n_patients: int
    n_septic: int


class Provenance(TypedDict, total=False):
    """Origin and figures of a model: the parts that the trainer writes and scoring does not need.

    Attributes:
        data: the training data.
        recipe: hyperparameters by name.
        split: rule of the split by patient.
        training: epochs, and the best epoch's validation figures.
        metrics: figures on test patients.
        alert_budget: the alert budget, and its outcome.
        versions: of Vigil, PyTorch and NumPy.
        recalibration: of a bundle that was calibrated for a site.
        started_from: id of the bundle whose weights a site's own stays were fitted on from.
        chosen_on: of a fit in a run, or one that goes on; else the sides of ``data`` say it.
        task: the task file, where it is not the shipped one (``datasets.task``).
    """

    data: DataSummary
    recipe: Mapping[str, object]
    split: SplitPart
    training: dict[str, float]
    metrics: Metrics
    alert_budget: AlertBudget
    versions: dict[str, str]
    recalibration: Recalibration
    started_from: str
    chosen_on: ChosenOn
    task: Mapping[str, Any]


class ScalingPart(TypedDict):
    """Mean and standard deviation of each feature, ``(n_features,)``."""

    mean: list[float]
    std: list[float]


class CalibrationPart(TypedDict):
    """Points of a horizon's calibration: logits, and the calibrated logits that they become."""

    logits: list[float]
    calibrated: list[float]


class ForecastLayout(TypedDict):
    """The axes of a forecast: vital signs, hours ahead, quantile levels."""

    vitals: list[str]
    hours: list[int]
    levels: list[float]


class ForecastPart(ForecastLayout):
    """Layout and sizes of the forecast head; the sizes are the fields of ``HeadSize``."""

    n_features: int
    memory: int
    units: int


class Manifest(Provenance, total=False):
    """All parts; those listed here are the ones that scoring needs.

    Attributes:
        format: version of the bundle's layout, ``FORMAT``.
        features: version of the feature builder.
        variables: names of the input variables, in order.
        architecture: the fields of ``core.network.Architecture``.
        scaling: of the features.
        calibration: by horizon.
        threshold: calibrated 6 h risk above which an hour counts as positive.
        alert_policy: the fields of ``core.alerts.AlertPolicy``.
        forecast: the forecast head's part; absent or null without one.
        model: the bundle's id; the one part that the id does not depend on. Its first twelve
            digits in bundles of earlier versions.
    """

    format: int
    features: str
    variables: list[str]
    architecture: Mapping[str, Any]
    scaling: ScalingPart
    calibration: dict[str, CalibrationPart]
    threshold: float
    alert_policy: dict[str, float]
    forecast: ForecastPart | None
    model: str


def is_of_stay(manifest: Mapping[str, Any]) -> bool:
    """Whether a bundle's outcome is that of a whole stay: then its risks have no horizon.

    >>> is_of_stay({"task": {"label": {"column": "died", "of": "stay"}}}), is_of_stay({})
    (True, False)
    """
    task = manifest.get("task")
    label = task.get("label") if isinstance(task, Mapping) else None
    return isinstance(label, Mapping) and label.get("of") == "stay"


def parse(text: bytes) -> Manifest:
    """Reads a manifest from JSON; its parts are checked where they are used.

    Raises:
        ValueError: the text is not a JSON object, or one that is nested too deep.
    """
    manifest: Any = parse_json(text)
    if not isinstance(manifest, dict):
        raise ValueError(f"the manifest is a JSON {type(manifest).__name__}, not an object")
    parsed: Manifest = manifest  # type: ignore[assignment]
    return parsed


def parse_json(text: bytes) -> object:
    """Reads JSON of anybody.

    Raises:
        ValueError: the text is not JSON, or nested deeper than ``DEEPEST``.
    """
    try:
        content: object = json.loads(text)
    except RecursionError:
        raise ValueError(f"JSON nested deeper than {DEEPEST}") from None
    level, depth = [content], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"JSON nested deeper than {DEEPEST}")
        level = [
            item
            for container in level
            if isinstance(container, dict | list)
            for item in (container.values() if isinstance(container, dict) else container)
        ]
    return content


def to_text(manifest: Manifest) -> str:
    """Writes a manifest as JSON; equal manifests give equal text."""
    return json.dumps(manifest, indent=1, sort_keys=True) + "\n"


def hashed_text(manifest: Manifest) -> str:
    """The JSON that a bundle's id is a hash of: the manifest without the id itself."""
    return json.dumps({k: v for k, v in manifest.items() if k != "model"}, sort_keys=True)
