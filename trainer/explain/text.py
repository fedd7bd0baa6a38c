"""The sentences of an explanation, for people."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.alerts import Phase
from streamer.core.explain import LEAST_CONTRIBUTION
from streamer.core.variables import Variable
from trainer.data.labels import LABEL_LEAD_HOURS
from trainer.explain.explanation import Explanation
from trainer.explain.influence import Influence
from trainer.explain.lstm_gates import Gates

NO_DRUGS: Final = (
    "Drugs are not an input of this model, since its training data has none; `trainer example "
    "drug-effects` shows how the influence of a drug decays in an LSTM that sees it."
)
_UNITS: Final = {"mm[Hg]": "mmHg", "Cel": "°C", "[pH]": "", "1": "", "10*3/uL": "10³/µL"}
_MOST_REASONS: Final = 3
SPREAD: Final = (10, 90)  # percentiles of the units at the edges of the band


def unit(variable: Variable) -> str:
    """The unit of a variable as people write it; empty without one.

    >>> from streamer.core.variables import VARIABLES
    >>> unit(VARIABLES[2])
    '°C'
    """
    return _UNITS.get(variable.ucum, variable.ucum)


def with_unit(variable: Variable, value: float) -> str:
    """A value with its variable's name and unit.

    >>> from streamer.core.variables import VARIABLES
    >>> with_unit(VARIABLES[0], 118)
    'heart rate 118 /min'
    """
    return f"{variable.display} {value:.4g} {unit(variable)}".rstrip()


def percent(risk: float) -> str:
    """A risk in percent, with more decimals the smaller it is.

    >>> percent(0.4), percent(0.03), percent(0.00123)
    ('40 %', '3.0 %', '0.12 %')
    """
    digits = 0 if risk >= 0.1 else 1 if risk >= 0.01 else 2
    return f"{100 * risk:.{digits}f} %"


def sentences(explanation: Explanation) -> list[str]:
    """The content of the plots in sentences: course, alerts, reasons, influences, gates."""
    return [
        _course(explanation),
        _alerts(explanation),
        _raised(explanation),
        *_lowered(explanation),
        _encoder_and_lstm(explanation),
        *(_influence(explanation, influence) for influence in explanation.influences),
        _gates(explanation.gates),
        NO_DRUGS,
    ]


def _course(explanation: Explanation) -> str:
    hour, peak = explanation.hour, explanation.peak
    if math.isnan(explanation.onset):
        truth = "no label says whether sepsis came"
    elif math.isinf(explanation.onset):
        truth = "labelled as without sepsis"
    else:
        truth = f"sepsis onset labelled at hour {explanation.onset:.0f}"
        if explanation.onset == hour[0] + LABEL_LEAD_HOURS:  # labelled from the first hour on
            truth += " or before"
    return (
        f"{explanation.patient}: hours {hour[0]} to {hour[-1]} in the ICU, {truth}. The risk "
        f"of onset within 6 h is highest at hour {hour[peak]}: "
        f"{percent(explanation.risks[peak, 0])}."
    )


def _alerts(explanation: Explanation) -> str:
    starts = explanation.hour[explanation.phases == Phase.START]
    limit = f"alert threshold {percent(explanation.policy.medium)}"
    if not len(starts):
        return f"No alert was given ({limit})."
    hours = ", ".join(map(str, starts.tolist()))
    lead = ""
    if math.isfinite(explanation.onset):
        before = explanation.onset - starts[0]
        lead = f"; the first {abs(before):.0f} h {'before' if before >= 0 else 'after'} onset"
    return f"Alerts started at hour {hours} ({limit}){lead}."


def _raised(explanation: Explanation) -> str:
    hour = int(explanation.hour[explanation.peak])
    variables = _strongest(explanation, explanation.peak, 1)
    if not variables:
        return f"At hour {hour} no variable raised the log odds."
    return f"The log odds at hour {hour} were raised most by {variables}."


def _lowered(explanation: Explanation) -> list[str]:
    """For a septic patient without an alert: the variables that lowered the risk at onset most."""
    if not math.isfinite(explanation.onset) or (explanation.phases == Phase.START).any():
        return []
    row = int(np.flatnonzero(explanation.hour <= explanation.onset)[-1])
    variables = _strongest(explanation, row, -1)
    if not variables:
        return []
    return [f"The log odds at hour {explanation.hour[row]} were lowered most by {variables}."]


def _strongest(explanation: Explanation, row: int, sign: int) -> str:
    """The variables that raise (1) or lower (-1) the log odds of an hour most."""
    hour, added = explanation.hour, sign * explanation.contributions[row]
    variables = []
    for v in np.argsort(-added, kind="stable")[:_MOST_REASONS].tolist():
        if added[v] >= LEAST_CONTRIBUTION:
            newest = int(np.flatnonzero(~np.isnan(explanation.values[: row + 1, v]))[-1])
            side = "above" if explanation.high[row, v] else "below"
            value = with_unit(explanation.variables.all[v], explanation.values[newest, v])
            variables.append(
                f"{value} ({side} the training mean, "
                f"measured {hour[row] - hour[newest]} h before, {sign * added[v]:+.2f})"
            )
    return "; ".join(variables)


def _encoder_and_lstm(explanation: Explanation) -> str:
    encoder, lstm = explanation.encoder_logit, explanation.lstm_logit
    return (
        f"Over the stay the LSTM moved the log odds by {np.abs(lstm).mean():.2f} on average; the "
        f"encoder's part, from the features of the hour, was between {encoder.min():.2f} and "
        f"{encoder.max():.2f}."
    )


def _influence(explanation: Explanation, influence: Influence) -> str:
    hour, row, strongest = explanation.hour, influence.measurement.row, influence.strongest
    variable = explanation.variables.all[influence.measurement.variable]
    value = with_unit(variable, influence.value)
    measurement = f"{value} of hour {hour[row]}"
    change = influence.change[strongest]
    if abs(change) < LEAST_CONTRIBUTION:
        return (
            f"Without {measurement} no hour's log odds would change by {LEAST_CONTRIBUTION} or "
            "more."
        )
    half, rest = influence.hours_to_half, int(hour[-1] - hour[row])
    if half is not None:
        lasted = f"less than half of that remained from {half} h after the measurement on"
    elif rest:
        lasted = f"at least half of that remained at the end of the record, {rest} h after it"
    else:
        lasted = "the record ends with it"
    again = influence.replaced
    replaced = "" if again is None else f" (measured again {hour[again] - hour[row]} h after it)"
    return (
        f"With {measurement}, the log odds are up to {abs(change):.2f} "
        f"{'higher' if change > 0 else 'lower'}, most at hour {hour[strongest]} (risk "
        f"{percent(explanation.risks[strongest, 0])}, without it "
        f"{percent(influence.risk_without[strongest])}); {lasted}{replaced}. {_paths(influence)}"
    )


def _paths(influence: Influence) -> str:
    """The path of the change after the hour of the measurement, in which no state can know it."""
    later = slice(influence.measurement.row + 1, None)
    if np.abs(influence.change[later]).max(initial=0) < LEAST_CONTRIBUTION:
        return f"No later hour changes by {LEAST_CONTRIBUTION} or more."
    features = np.abs(influence.by_features[later]).sum()
    state = np.abs(influence.by_state[later]).sum()
    share = 100 * state / (features + state)
    return (
        f"In later hours {100 - share:.0f} % of the change comes through the features (last value, "
        f"age, trend) and {share:.0f} % through the LSTM's state."
    )


def _gates(gates: Gates) -> str:
    lives = gates.half_lives().ravel()
    low, middle, high = np.percentile(lives, [10, 50, 90])
    return (
        f"The forget gates keep {100 * gates.f.mean():.0f} % of the cell state from one hour to "
        f"the next on average: the middle unit forgets half in {middle:.1f} h (10 % of units in "
        f"{low:.1f} h or less, 10 % in {high:.1f} h or more)."
    )


def spread(gate: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(3, T)``: mean, 10th and 90th percentile of the units of ``(layers, T, B, hidden)``."""
    units = np.moveaxis(gate, 1, 0).reshape(gate.shape[1], -1)
    return np.stack([units.mean(axis=1), *np.percentile(units, SPREAD, axis=1)])
