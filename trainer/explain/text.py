"""What an explanation says: in plain sentences for people, as one object for programs."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.alerts import Phase
from streamer.core.explain import LEAST_CONTRIBUTION
from streamer.core.network import HORIZONS
from streamer.core.variables import VARIABLES
from trainer.data.labels import LABEL_LEAD_HOURS
from trainer.explain.explanation import Explanation
from trainer.explain.influence import Influence
from trainer.explain.lstm_gates import Gates

NO_DRUGS: Final = (
    "Drugs are no input of this model, since the data it learned from has none; how the influence "
    "of a drug decays in an LSTM that sees it is shown by `trainer example drug-effects`."
)
_UNITS: Final = {"mm[Hg]": "mmHg", "Cel": "°C", "[pH]": "", "1": "", "10*3/uL": "10³/µL"}
_MOST_REASONS: Final = 3
_SPREAD: Final = (10, 90)  # percent of units between which the band lies


def unit(variable: int) -> str:
    """The unit of a variable as people write it; empty for a pure number.

    >>> unit(2)
    '°C'
    """
    ucum = VARIABLES[variable].ucum
    return _UNITS.get(ucum, ucum)


def written(variable: int, value: float) -> str:
    """A value with the name of its variable and its unit.

    >>> written(0, 118)
    'heart rate 118 /min'
    """
    return f"{VARIABLES[variable].display} {value:.4g} {unit(variable)}".rstrip()


def percent(risk: float) -> str:
    """A risk in percent, no finer than anybody would read it.

    >>> percent(0.4), percent(0.03), percent(0.00123)
    ('40 %', '3.0 %', '0.12 %')
    """
    digits = 0 if risk >= 0.1 else 1 if risk >= 0.01 else 2
    return f"{100 * risk:.{digits}f} %"


def reading(found: Explanation) -> list[str]:
    """What the figures show, a sentence or two each; nothing that they do not show."""
    return [
        _course(found),
        _alerts(found),
        _reasons(found),
        *_against(found),
        _ways(found),
        *(_influence(found, influence) for influence in found.influences),
        _gates(found.gates),
        NO_DRUGS,
    ]


def _course(found: Explanation) -> str:
    if math.isnan(found.onset):
        truth = "no label says whether sepsis came"
    elif math.isinf(found.onset):
        truth = "labelled as without sepsis"
    else:
        truth = f"sepsis onset labelled at hour {found.onset:.0f}"
        if found.onset == found.hour[0] + LABEL_LEAD_HOURS:  # the label was there from the start
            truth += " or before"
    at = found.peak
    return (
        f"{found.patient}: hours {found.hour[0]} to {found.hour[-1]} in the ICU, {truth}. The risk "
        f"of onset within 6 h is highest at hour {found.hour[at]}: {percent(found.risks[at, 0])}."
    )


def _alerts(found: Explanation) -> str:
    starts = found.hour[found.phases == Phase.START]
    limit = f"alert threshold {percent(found.policy.medium)}"
    if not len(starts):
        return f"No alert was given ({limit})."
    said = ", ".join(map(str, starts.tolist()))
    lead = ""
    if math.isfinite(found.onset):
        hours = found.onset - starts[0]
        lead = f"; the first {abs(hours):.0f} h {'before' if hours >= 0 else 'after'} onset"
    return f"Alerts started at hour {said} ({limit}){lead}."


def _reasons(found: Explanation) -> str:
    at = int(found.hour[found.peak])
    said = _strongest(found, found.peak, 1)
    if not said:
        return f"At hour {at} no variable raised the log odds."
    return f"What raised the log odds most at hour {at}: {said}."


def _against(found: Explanation) -> list[str]:
    """Why a septic patient went without an alert: what spoke against it when sepsis began."""
    if not math.isfinite(found.onset) or (found.phases == Phase.START).any():
        return []
    row = int(np.flatnonzero(found.hour <= found.onset)[-1])
    said = _strongest(found, row, -1)
    return [f"What lowered them most at hour {found.hour[row]}: {said}."] if said else []


def _strongest(found: Explanation, row: int, sign: int) -> str:
    """The variables that raise (1) or lower (-1) the log odds of an hour most."""
    added = sign * found.contributions[row]
    said = []
    for v in np.argsort(-added, kind="stable")[:_MOST_REASONS].tolist():
        if added[v] >= LEAST_CONTRIBUTION:
            newest = int(np.flatnonzero(~np.isnan(found.values[: row + 1, v]))[-1])
            side = "above" if found.high[row, v] else "below"
            said.append(
                f"{written(v, found.values[newest, v])} ({side} the training mean, measured "
                f"{found.hour[row] - found.hour[newest]} h before, {sign * added[v]:+.2f})"
            )
    return "; ".join(said)


def _ways(found: Explanation) -> str:
    return (
        f"Over the stay the LSTM moved the log odds by {np.abs(found.recall).mean():.2f} on "
        f"average; what the encoder read of the hour moved between {found.glance.min():.2f} and "
        f"{found.glance.max():.2f}."
    )


def _influence(found: Explanation, influence: Influence) -> str:
    m, at = influence.measurement, influence.strongest
    what = f"{written(m.variable, influence.value)} of hour {found.hour[m.row]}"
    change = influence.change[at]
    if abs(change) < LEAST_CONTRIBUTION:
        return f"Without {what} no hour's log odds would change by {LEAST_CONTRIBUTION} or more."
    half, rest = influence.hours_to_half, int(found.hour[-1] - found.hour[m.row])
    if half is not None:
        lasted = f"less than half of that was left for good {half} h after the measurement"
    elif rest:
        lasted = f"at least half of that was left when the record ends, {rest} h after it"
    else:
        lasted = "the record ends with it"
    replaced = (
        ""
        if influence.replaced is None
        else f" (measured again {found.hour[influence.replaced] - found.hour[m.row]} h after it)"
    )
    return (
        f"With {what}, the log odds are {abs(change):.2f} {'higher' if change > 0 else 'lower'} "
        f"at most, at hour {found.hour[at]} (risk {percent(found.risks[at, 0])}, without it "
        f"{percent(influence.risk_without[at])}); {lasted}{replaced}. "
        f"{_shares(influence)}"
    )


def _shares(influence: Influence) -> str:
    """Which way the change came after the hour of the measurement, in which no state knows it."""
    later = slice(influence.measurement.row + 1, None)
    if np.abs(influence.change[later]).max(initial=0) < LEAST_CONTRIBUTION:
        return f"No later hour changes by {LEAST_CONTRIBUTION} or more."
    features = np.abs(influence.by_features[later]).sum()
    state = np.abs(influence.by_state[later]).sum()
    share = 100 * state / (features + state)
    return (
        f"In later hours {100 - share:.0f} % of what it changes comes by the features (last value, "
        f"age, trend) and {share:.0f} % by the LSTM's state."
    )


def _gates(gates: Gates) -> str:
    lives = gates.half_lives().ravel()
    low, middle, high = np.percentile(lives, [10, 50, 90])
    return (
        f"The forget gates keep {100 * gates.f.mean():.0f} % of the cell state from one hour to "
        f"the next on average: the middle unit forgets half in {middle:.1f} h (10 % of units in "
        f"{low:.1f} h or less, 10 % in {high:.1f} h or more)."
    )


def as_object(found: Explanation) -> dict[str, Any]:
    """The object of ``trainer explain --json``; lists have an item for each hour."""
    measured = np.flatnonzero(~np.isnan(found.values).all(axis=0))
    names = [VARIABLES[v].name for v in measured]
    return {
        "patient": found.patient,
        "model": found.model_id,
        "hours": found.hour.tolist(),
        "onset_hour": found.onset if math.isfinite(found.onset) else None,
        "labelled": not math.isnan(found.onset),
        "threshold": found.threshold,
        "alert_policy": {
            "medium": found.policy.medium, "high": found.policy.high, "off": found.policy.off,
        },
        "risks": dict(zip(HORIZONS, found.risks.T.tolist(), strict=True)),
        "alerts": [
            {"hour": int(found.hour[row]), "phase": Phase(found.phases[row]).name.lower()}
            for row in np.flatnonzero(found.phases)
        ],
        "peak_hour": int(found.hour[found.peak]),
        "contributions": {
            name: _rounded(found.contributions[:, v])
            for name, v in zip(names, measured, strict=True)
        },
        "log_odds": {"encoder": _rounded(found.glance), "lstm": _rounded(found.recall)},
        "gates": {
            "forget": _spread(found.gates.f),
            "input": _spread(found.gates.i),
            "output": _spread(found.gates.o),
            "half_life_hours": _rounded(found.gates.half_lives().ravel()),
        },
        "influences": [_influence_object(found, each) for each in found.influences],
        "reading": reading(found),
    }  # fmt: skip


def _influence_object(found: Explanation, influence: Influence) -> dict[str, Any]:
    m = influence.measurement
    return {
        "variable": VARIABLES[m.variable].name,
        "hour": int(found.hour[m.row]),
        "value": influence.value,
        "unit": VARIABLES[m.variable].ucum,
        "measured_again_hour": (
            None if influence.replaced is None else int(found.hour[influence.replaced])
        ),
        "hours_to_half": influence.hours_to_half,
        "change": _rounded(influence.change),
        "by_features": _rounded(influence.by_features),
        "by_state": _rounded(influence.by_state),
        "risk_without": influence.risk_without.tolist(),
    }


def spread(gate: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(3, T)`` mean of all units of a gate ``(layers, T, B, hidden)``, and 10 % and 90 %."""
    units = np.moveaxis(gate, 1, 0).reshape(gate.shape[1], -1)
    return np.stack([units.mean(axis=1), *np.percentile(units, _SPREAD, axis=1)])


def _spread(gate: NDArray[np.float32]) -> dict[str, list[float]]:
    names = ("mean", *(f"p{p}" for p in _SPREAD))
    return dict(zip(names, map(_rounded, spread(gate)), strict=True))


def _rounded(values: NDArray[np.floating]) -> list[float]:
    rounded: list[float] = values.astype(np.float64).round(5).tolist()
    return rounded
