"""Known inputs of a bundle and their risks: invented stays that every reader must score alike.

A bundle is tried before it takes over. The stays go the whole way, from charted values through
cleaning, features, network and calibration to the three risks of each hour, so a bundle that was
made for other features, or is computed otherwise here, is noticed. They must lie on both sides of
the alert thresholds: a model that never alerts, or always, says nothing, however sound it is.

The stays are invented, so nothing of a patient is in them. They are chosen for the model, from a
pool that goes from well to dying and beyond, so that its risks spread as far as they can.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from streamer.bundles.manifest import parse_json
from streamer.core import demographics, features
from streamer.core.cleaning import clean
from streamer.core.model import Model
from streamer.core.reference_ranges import range_of
from streamer.core.variables import (
    BUILT_IN,
    HIGH,
    INDEX,
    LOW,
    N_VARIABLES,
    VARIABLES,
    VariableTable,
)

Floats = NDArray[np.float32]

TOLERANCE: Final = 1e-5  # the contract's, between offline and streamed risks
_MOST_STAYS: Final = 32
_MOST_HOURS: Final = 48
_CHOSEN: Final = 8
_POOL: Final = 96
_HOURS: Final = 16
_SEED: Final = 20
_VITAL_SHARE: Final = 0.9  # of the hours in which a vital sign is measured
_LAB_SHARE: Final = 0.2
_WORST: Final = 1.5  # severity: 0 is well, 1 is septic shock
_DIGITS: Final = 2

# Middle values of a patient who is well, and of one in septic shock.
_COURSE: Final = {
    "heart_rate": (78, 132), "spo2": (98, 88), "temperature": (36.8, 39.6), "sbp": (126, 78),
    "map": (88, 50), "dbp": (68, 38), "resp_rate": (15, 34), "ph": (7.41, 7.18),
    "lactate": (1.0, 7.5), "wbc": (8, 24), "creatinine": (0.9, 3.6), "bun": (14, 62),
    "platelets": (240, 55), "bilirubin_total": (0.6, 4.5), "fio2": (0.25, 0.8),
    "glucose": (115, 220), "bicarbonate": (24, 14), "base_excess": (0, -10),
    "hemoglobin": (12, 8.5), "paco2": (40, 30), "potassium": (4.1, 5.4),
}  # fmt: skip


class StayPart(TypedDict):
    """One invented stay.

    Attributes:
        static: age, sex, kind of ICU and hours in hospital, coded as ``features.STATIC``; null
            where unknown.
        hours: for each hour from admission, the values that were measured, by variable.
        risks: for each hour, the risks of the three horizons.
    """

    static: list[float | None]
    hours: list[dict[str, float]]
    risks: list[list[float]]


@dataclass(frozen=True, slots=True)
class KnownStay:
    """A stay ``(T, V)`` with its static input ``(4,)`` and the risks ``(T, 3)`` it must have."""

    values: Floats
    static: Floats
    risks: NDArray[np.float64]


def make(model: Model) -> bytes:
    """Returns the content of `known.json` for a model: inputs, and the risks that it gives them."""
    values, static = pool(model.variables)
    risks = risks_of(model, values, static)
    order = np.argsort(risks[:, :, 0].max(axis=0))
    chosen = np.unique(order[np.linspace(0, len(order) - 1, _CHOSEN).round().astype(int)])
    lowest = int(risks[:, :, 0].min(axis=0).argmin())
    parts = [
        _part(model.variables, values[:, i], static[i], risks[:, i])
        for i in sorted({*chosen.tolist(), lowest})
    ]
    return (json.dumps(parts, separators=(",", ":")) + "\n").encode()


def parse(text: bytes, variables: VariableTable = BUILT_IN) -> list[KnownStay]:
    """Reads `known.json`.

    Args:
        text: its content.
        variables: those of the model.

    Raises:
        ValueError: it is not a short list of stays with values within their limits.
    """
    parts = parse_json(text)
    if not isinstance(parts, list) or not 2 <= len(parts) <= _MOST_STAYS:
        raise ValueError(f"known inputs: not a list of 2 to {_MOST_STAYS} stays")
    try:
        return [_stay(part, variables) for part in parts]
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"known inputs: {type(error).__name__} {error}") from error


def check(model: Model, stays: Sequence[KnownStay]) -> None:
    """Tries a model on its known inputs.

    Raises:
        ValueError: a risk differs by more than ``TOLERANCE``, or the risks do not lie on both sides
            of the thresholds.
    """
    n_hours = max(len(stay.values) for stay in stays)
    values = np.full((n_hours, len(stays), len(model.variables)), np.nan, np.float32)
    expected = np.full((n_hours, len(stays), 3), np.nan)
    for i, stay in enumerate(stays):
        values[: len(stay.values), i], expected[: len(stay.values), i] = stay.values, stay.risks
    risks = risks_of(model, values, np.stack([stay.static for stay in stays]))
    there = ~np.isnan(expected)
    difference = np.abs(risks - expected)[there]
    if not (difference <= TOLERANCE).all():  # a NaN is none
        raise ValueError(
            f"its known inputs do not have their risks here: they differ by up to "
            f"{difference.max():.3g}, at most {TOLERANCE:g} is allowed"
        )
    near = risks[:, :, 0][there[:, :, 0]]
    least, most = float(near.min()), float(near.max())
    faults = _one_sided(least, most, model)
    if faults:
        raise ValueError(
            f"the risks of its known inputs go from {least:.3g} to {most:.3g}: "
            f"{' and '.join(faults)}"
        )


def _one_sided(least: float, most: float, model: Model) -> list[str]:
    """What a model would always or never say, whose risks go from ``least`` to ``most``."""
    off, start, yes = model.policy.off, model.policy.medium, model.threshold
    faults = []
    if most <= start:
        faults.append(f"it would never alert, which takes more than {start:.3g}")
    if least >= off:
        faults.append(f"no alert would end, which takes less than {off:.3g}")
    if least >= yes:
        faults.append(f"every hour would be positive, which takes more than {yes:.3g}")
    return faults


def risks_of(model: Model, values: Floats, static: Floats) -> NDArray[np.float64]:
    """Returns the risks ``(T, B, 3)`` of stays ``(T, B, V)`` from their admission on."""
    n_hours, n_stays, _ = values.shape
    builder = features.features_of(model.variables)
    memory = builder.empty_memory(n_stays)
    built = np.empty((n_hours, n_stays, len(builder)), np.float32)
    for hour, rows in enumerate(model.inputs(clean(values, model.variables))):
        bins = np.full(n_stays, hour, np.int32)
        built[hour], memory = builder.step(rows, bins, static, memory)
    with np.errstate(all="ignore"):  # of a model that is yet to be tried
        return model.risks(model.logits(built))


def pool(variables: VariableTable = BUILT_IN) -> tuple[Floats, Floats]:
    """Returns invented stays ``(T, B, V)`` and their static inputs ``(B, 4)``.

    The last third has values from anywhere within the limits: a model of other patients than ours
    may call for a course that no patient of ours has.
    """
    draws = np.random.default_rng(_SEED)
    severity = np.linspace(-0.3, _WORST, _POOL)
    course = np.clip(
        severity * np.linspace(0.3, 1, _HOURS)[:, None] + draws.normal(0, 0.1, (_HOURS, _POOL)),
        -0.5,
        _WORST,
    )
    values = np.full((_HOURS, _POOL, N_VARIABLES), np.nan)
    for name, (well, shock) in _COURSE.items():
        variable = VARIABLES[INDEX[name]]
        drawn = well + (shock - well) * (course + draws.normal(0, 0.08, course.shape))
        measured = draws.random(course.shape) < (_VITAL_SHARE if variable.is_vital else _LAB_SHARE)
        inside = np.clip(drawn, variable.low, variable.high).round(_DIGITS)
        values[:, :, INDEX[name]] = np.where(measured, inside, np.nan)
    n_wild = _POOL // 3
    shape = (_HOURS, n_wild, N_VARIABLES)
    wild = draws.uniform(LOW, HIGH, (1, n_wild, N_VARIABLES)) + np.zeros(shape)
    values[:, -n_wild:] = np.where(draws.random(shape) < _VITAL_SHARE, wild.round(_DIGITS), np.nan)
    static = demographics.static_rows(
        draws.uniform(20, 90, _POOL).round(),
        draws.choice(["female", "male", "unknown"], _POOL).tolist(),
        draws.choice(["medical", "surgical", "unknown"], _POOL).tolist(),
        draws.uniform(0, 60, _POOL).round(),
    )
    own = _own(variables, course)
    return np.concatenate([values, own], axis=2).astype(np.float32), static


def _own(variables: VariableTable, course: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values ``(T, B, V - 34)`` of a task's own variables; drawn apart, so the others stay.

    What they mean is not known here: in the course of half of the stays one rises out of its
    reference range, in that of the others it falls.
    """
    draws = np.random.default_rng(_SEED + 1)
    shape = (*course.shape, len(variables.own))
    values = np.full(shape, np.nan)
    for i, variable in enumerate(variables.own):
        low, high = range_of(variable)
        end = np.where(np.arange(_POOL) % 2, variable.low, min(variable.high, 3 * high - 2 * low))
        drawn = (low + high) / 2 + (end - (low + high) / 2) * course
        wild = draws.uniform(variable.low, variable.high, _POOL // 3)
        drawn[:, -len(wild) :] = wild
        inside = np.clip(_with_digits(drawn), variable.low, variable.high)
        values[:, :, i] = np.where(draws.random(course.shape) < _VITAL_SHARE, inside, np.nan)
    return values


def _with_digits(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values with three digits, whatever their size: they are written and read as decimals."""
    size = np.floor(np.log10(np.maximum(np.abs(values), 1e-30)))
    scale = 10.0 ** (2 - size)
    rounded: NDArray[np.float64] = np.rint(values * scale) / scale
    return rounded


def _part(
    variables: VariableTable, values: Floats, static: Floats, risks: NDArray[np.float64]
) -> StayPart:
    return {
        "static": [None if np.isnan(number) else float(number) for number in static],
        "hours": [
            {
                variable.name: float(f"{value:.7g}")
                for variable, value in zip(variables.all, row, strict=True)
                if not np.isnan(value)
            }
            for row in values
        ],
        "risks": risks.tolist(),
    }


def _stay(part: Any, variables: VariableTable) -> KnownStay:
    hours, static = part["hours"], part["static"]
    if not 1 <= len(hours) <= _MOST_HOURS:
        raise ValueError(f"known inputs: a stay of {len(hours)} hours, not 1 to {_MOST_HOURS}")
    values = np.full((len(hours), len(variables)), np.nan)
    for hour, row in enumerate(hours):
        for name, value in row.items():
            values[hour, variables.index[name]] = value
    inside = clean(values, variables)
    if (np.isnan(inside) != np.isnan(values)).any():
        raise ValueError("known inputs: a value is outside the limits of its variable")
    risks = np.array(part["risks"], np.float64)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which is refused below
        known = np.array([np.nan if n is None else n for n in static], np.float64).astype(
            np.float32
        )
    if risks.shape != (len(hours), 3) or known.shape != (len(features.STATIC),):
        raise ValueError(f"known inputs: risks of {risks.shape}, static input of {known.shape}")
    if not ((risks >= 0) & (risks <= 1)).all() or np.isinf(known).any():
        raise ValueError("known inputs: a risk is not within 0 and 1, or an input is infinite")
    return KnownStay(values.astype(np.float32), known, risks)
