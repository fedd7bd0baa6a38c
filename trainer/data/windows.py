"""Window features: statistics of the hours before, as the best published models of this data use.

Beside the streamer's features of the hour stand the vital signs over the last 6, 12 and 24
hours, the extremes and means of every variable so far, how often things were measured of late,
scores, and ratios: the inputs that Morrill et al. (Crit Care Med 48(10), 2020) and the teams beside
them gave to boosted trees. A vital sign counts with its last known value in an hour without one.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.cleaning import clean
from streamer.core.features import features_of
from streamer.core.variables import INDEX, IS_LAB, VARIABLES, VariableTable
from trainer.data.clinical_scores import (
    ORGANS,
    Chart,
    mews_score,
    news2_score,
    organ_scores,
    qsofa_score,
    sirs_score,
)
from trainer.data.dataset import Material
from trainer.data.rolling import (
    Elapsed,
    Floats,
    elapsed_hours,
    lagged,
    last_known,
    rolling_mean_std,
    rolling_reduce,
    rolling_sum,
)

HOURS: Final = (6, 12, 24)
_STATISTICS: Final = ("min", "max", "mean", "sd")
LAGS: Final = (1, 3, 6, 12, 23)
RECENT: Final = (8, 24)
"""Hours over which measurements are counted: a shift, and a day."""

_VITALS: Final = np.array([i for i, v in enumerate(VARIABLES) if v.is_vital])
_SCORES: Final = ("sofa", "sofa_rise", "sirs", "qsofa", "news2", "mews")
_RATIOS: Final = (
    "shock_index_6h",
    "map_pulse_pressure",
    "heart_rate_temperature",
    "resp_rate_spo2",
    "sao2_fio2",
    "lactate_map",
    "chloride_bicarbonate",
    "platelets_highest",
    "creatinine_lowest",
    "bun_rise",
    "wbc_rise",
)
_LAB_WORK: Final = (
    *(f"labs_{hours}h" for hours in RECENT),
    "labs_now",
    "labs_per_hour",
    "hours_since_any_lab",
    "vitals_now",
)


@cache
def window_names(variables: VariableTable) -> tuple[str, ...]:
    """Names of the window features, in the order in which the blocks are put together."""
    every = variables.names
    vitals = [VARIABLES[i].name for i in _VITALS]
    return (
        *features_of(variables).names,
        *(f"{statistic}_{h}h:{v}" for h in HOURS for statistic in _STATISTICS for v in vitals),
        *(f"change_{hours}h:{v}" for hours in LAGS for v in vitals),
        *(f"{statistic}:{v}" for statistic in ("lowest", "highest", "mean") for v in every),
        *(f"measured_{hours}h:{v}" for hours in RECENT for v in every),
        *_LAB_WORK,
        *(f"sofa:{organ}" for organ in ORGANS),
        *_SCORES,
        *_RATIOS,
    )


def window_state_bytes(variables: VariableTable) -> int:
    """Bytes that must be kept of a stay to make the windows of its next hour."""
    memory = features_of(variables).memory_size
    return (
        4 * (memory + 5)  # the streamer's memory; demographics and the hour of admission
        + 4 * max(HOURS) * len(_VITALS)  # the vital signs of a day
        + 4 * 3 * len(variables)  # extremes and sums
        + max(RECENT) * (len(variables) // 8 + 1)  # a bit for each measurement of a day
        + max(HOURS)  # the SOFA points of a day
    )


def window_features(material: Material, stays: NDArray[np.int64]) -> Floats:
    """Raw features (rows of these stays, W), in the order of ``window_names``."""
    cohort = material.cohort.take(stays)
    variables = cohort.variables
    values, elapsed = clean(cohort.values, variables), elapsed_hours(cohort.starts)
    measured = (~np.isnan(values)).astype(np.float32)
    last, since = last_known(values, elapsed)
    lowest = rolling_reduce(np.fmin, values, int(elapsed.max()) + 1, elapsed)
    highest = rolling_reduce(np.fmax, values, int(elapsed.max()) + 1, elapsed)
    with np.errstate(divide="ignore", invalid="ignore"):  # nothing measured, or a zero
        mean = rolling_sum(values, None, elapsed) / rolling_sum(measured, None, elapsed)
        blocks = [
            material.built[material.rows_of(stays)],
            *_vitals(last[:, _VITALS], elapsed),
            *(_logged(extreme, variables.logged) for extreme in (lowest, highest, mean)),
            *(rolling_sum(measured, hours, elapsed) for hours in RECENT),
            _lab_work(measured, since, elapsed),
            *_scores(Chart.read(values, elapsed), elapsed),
            _ratios(last, lowest, highest, elapsed),
        ]
    features = np.concatenate(blocks, axis=1, dtype=np.float32)
    features[np.isinf(features)] = np.nan
    return features


def _vitals(vitals: Floats, elapsed: Elapsed) -> list[Floats]:
    blocks = []
    for hours, (mean, sd) in zip(HOURS, rolling_mean_std(vitals, HOURS, elapsed), strict=True):
        low, high = (
            rolling_reduce(combine, vitals, hours, elapsed) for combine in (np.fmin, np.fmax)
        )
        blocks += [low, high, mean, sd]
    return [*blocks, *(vitals - lagged(vitals, hours, elapsed) for hours in LAGS)]


def _logged(values: Floats, skewed: NDArray[np.intp]) -> Floats:
    """The skewed variables on a log scale, as the streamer's features have them."""
    logged = values.copy()
    logged[:, skewed] = np.log1p(values[:, skewed])
    return logged


def _lab_work(measured: Floats, since: Floats, elapsed: Elapsed) -> Floats:
    """Laboratory activity of the patient: doctors who worry send blood."""
    of_labs = np.flatnonzero(IS_LAB[: measured.shape[1]])
    labs = measured[:, of_labs].sum(axis=1, keepdims=True)
    return np.concatenate(
        [
            *(rolling_sum(labs, hours, elapsed) for hours in RECENT),
            labs,
            rolling_sum(labs, None, elapsed) / (elapsed[:, None] + 1),
            np.fmin.reduce(since[:, of_labs], axis=1, keepdims=True),
            measured[:, _VITALS].sum(axis=1, keepdims=True),
        ],
        axis=1,
    )


def _scores(chart: Chart, elapsed: Elapsed) -> list[Floats]:
    organs = organ_scores(chart)
    sofa = organs.sum(axis=1, keepdims=True)
    others = (score(chart)[:, None] for score in (sirs_score, qsofa_score, news2_score, mews_score))
    return [organs, sofa, sofa - rolling_reduce(np.fmin, sofa, max(HOURS), elapsed), *others]


def _ratios(last: Floats, lowest: Floats, highest: Floats, elapsed: Elapsed) -> Floats:
    def now(name: str) -> Floats:
        return last[:, INDEX[name]]

    pressures = last[:, [INDEX["heart_rate"], INDEX["sbp"]]]
    [(calm, _)] = rolling_mean_std(pressures, (6,), elapsed)
    return np.stack(
        [
            calm[:, 0] / calm[:, 1],
            now("map") / (now("sbp") - now("dbp")),
            now("heart_rate") / now("temperature"),
            now("resp_rate") / now("spo2"),
            now("sao2") / now("fio2"),
            now("lactate") / now("map"),
            now("chloride") + now("bicarbonate"),
            now("platelets") / highest[:, INDEX["platelets"]],
            now("creatinine") / lowest[:, INDEX["creatinine"]],
            now("bun") - lowest[:, INDEX["bun"]],
            now("wbc") - lowest[:, INDEX["wbc"]],
        ],
        axis=1,
    )
