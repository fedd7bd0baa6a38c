"""The explanation of a model's risk over one stay: everything that ``trainer explain`` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.core.alerts import AlertPolicy
from streamer.core.cleaning import clean
from streamer.core.explain import contributions
from streamer.core.features import features_of
from streamer.core.model import Floats, Model
from streamer.core.state_stepping import Evaluation
from streamer.core.variables import IS_LAB, VariableTable
from streamer.datasets.cohort import NO_LABEL, Cohort
from trainer.data.labels import onset_rows
from trainer.decisions.alert_replay import alert_phases
from trainer.errors import InputError
from trainer.explain.influence import Influence, Measurement, influences
from trainer.explain.lstm_gates import Gates, gate_activity
from trainer.explain.measurement_arg import MeasurementArg
from trainer.explain.unroll import unroll
from trainer.training.torch_network import TorchNetwork

N_EACH: Final = 2
"""Vital signs, and other variables, that are followed without ``--follow``: so many of each. Vital
signs are measured again within the hour; laboratory values show what lasts."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Risks, alerts, contributions, gates and influences over one stay of ``T`` hours.

    Log odds are those of the 6 h risk before calibration, as in the reasons of an alert.

    Attributes:
        patient: id.
        model_id: id of the bundle.
        variables: those of the model, V of them.
        threshold: the 6 h risk is positive above it.
        policy: the alert thresholds.
        hour: ``(T,)`` hours since ICU admission (ICULOS).
        values: ``(T, V)`` cleaned values, NaN where not measured.
        risks: ``(T, 3)`` calibrated.
        phases: ``(T,)`` the ``Phase`` of the alert in each hour.
        onset: hour of sepsis onset; infinite without sepsis, NaN where there is no label.
        contributions: ``(T, V)`` what each variable adds to the log odds of the hour.
        high: ``(T, V)`` whether its value lies above the training mean.
        encoder_logit: ``(T,)`` the encoder's part of the log odds, from the hour's features.
        lstm_logit: ``(T,)`` the LSTM's part.
        gates: gates and states of the LSTM, a batch of one.
        influences: influences of single measurements.
    """

    patient: str
    model_id: str
    variables: VariableTable
    threshold: float
    policy: AlertPolicy
    hour: NDArray[np.int64]
    values: NDArray[np.float32]
    risks: NDArray[np.float64]
    phases: NDArray[np.uint8]
    onset: float
    contributions: NDArray[np.float64]
    high: NDArray[np.bool_]
    encoder_logit: NDArray[np.float64]
    lstm_logit: NDArray[np.float64]
    gates: Gates
    influences: list[Influence]

    @property
    def peak(self) -> int:
        """Row of the highest 6 h risk."""
        return int(self.risks[:, 0].argmax())


def index_of(patient: str, patient_ids: Sequence[str]) -> int:
    """The index of a patient among others.

    Raises:
        InputError: no patient of that id; the message names similar ones.
    """
    try:
        return list(patient_ids).index(patient)
    except ValueError:
        near = get_close_matches(patient, patient_ids) or list(patient_ids[:3])
        raise InputError(
            f"no patient {patient!r} among these {len(patient_ids):,}, which include "
            f"{', '.join(near)}; leave out PATIENT for suggestions"
        ) from None


def explain(model: Model, stay: Cohort, follow: Sequence[MeasurementArg] = ()) -> Explanation:
    """Runs a model over one stay and explains its risks.

    Args:
        model: the model to explain.
        stay: one stay.
        follow: measurements whose influence is shown; by default those that add most at the peak
            of the risk.

    Raises:
        InputError: a measurement that this stay does not have.
    """
    values = clean(stay.values, stay.variables)
    run = unroll(model, stay, values[None])
    features = run.features[0]
    known = np.logical_or.accumulate(~np.isnan(values), axis=0)
    risks = model.risks(run.logits[0])
    hours = Evaluation(features, run.h[0], run.c[0], run.logits[0], risks)
    added = contributions(model, hours, np.arange(len(features)), known)
    hour = stay.iculos.astype(np.int64)
    peak = int(risks[:, 0].argmax())
    measurements = (
        [_measurement(argument, stay, values, peak) for argument in follow]
        if follow
        else _strongest(added, values, peak)
    )
    network = TorchNetwork.of(model.network)
    with torch.inference_mode():
        encoded = network.encode(torch.from_numpy(model.scaling.apply(features)))
        start = torch.zeros(model.architecture.layers, 1, model.architecture.hidden)
        gates = gate_activity(network.lstm, encoded[:, None], start, start)
        encoder_logit = network.glance(encoded)[:, 0].double().numpy()
        lstm_logit = network.recall(torch.from_numpy(gates.h[-1, :, 0]))[:, 0].double().numpy()
    return Explanation(
        patient=stay.patient_ids[0],
        model_id=model.model_id,
        variables=model.variables,
        threshold=model.threshold,
        policy=model.policy,
        hour=hour,
        values=values,
        risks=risks,
        phases=alert_phases(risks[:, 0], stay.starts, model.policy),
        onset=_onset(stay),
        contributions=added,
        high=is_high(model, features),
        encoder_logit=encoder_logit,
        lstm_logit=lstm_logit,
        gates=gates,
        influences=influences(model, stay, values, measurements),
    )


def is_high(model: Model, seen: Floats) -> NDArray[np.bool_]:
    """Returns ``(n, V)`` whether each variable's value lies above the training mean.

    Args:
        model: whose training mean.
        seen: ``(n, F)`` raw features.
    """
    names = features_of(model.variables).names
    of_values = [names.index(f"value:{name}") for name in model.variables.names]
    high: NDArray[np.bool_] = model.scaling.apply(seen)[:, of_values] > 0
    return high


def _onset(stay: Cohort) -> float:
    if stay.label[0] == NO_LABEL:
        return float("nan")
    return float(stay.iculos[0] + onset_rows(stay.label, stay.starts)[0])


def _strongest(
    added: NDArray[np.float64], values: NDArray[np.float32], peak: int
) -> list[Measurement]:
    """The newest measurements, at the peak, of the variables that add most there.

    Nothing adds before the first measurement: if that is so at the peak, the last hour serves.
    """
    row = peak if (added[peak] > 0).any() else len(values) - 1
    order = np.argsort(-added[row], kind="stable")
    order = order[added[row, order] > 0]  # so each of them was measured
    is_lab = IS_LAB[order]
    chosen = [*order[~is_lab][:N_EACH], *order[is_lab][:N_EACH]]
    newest = [int(np.flatnonzero(~np.isnan(values[: row + 1, v]))[-1]) for v in chosen]
    measurements = [Measurement(int(v), at) for v, at in zip(chosen, newest, strict=True)]
    return sorted(measurements, key=lambda m: -added[row, m.variable])


def _measurement(
    argument: MeasurementArg, stay: Cohort, values: NDArray[np.float32], peak: int
) -> Measurement:
    """The measurement that an argument names."""
    name, index = argument.variable, stay.variables.index
    rows = np.flatnonzero(~np.isnan(values[:, index[name]]))
    hours = stay.iculos[rows].tolist()
    if not hours:
        raise InputError(f"{name} was not measured in this stay")
    if argument.hour is None:
        at_peak = max(int((rows <= peak).sum()) - 1, 0)
        return Measurement(index[name], int(rows[at_peak]))
    if argument.hour not in hours:
        raise InputError(f"{name} was not measured in hour {argument.hour}; its hours: {hours}")
    return Measurement(index[name], int(rows[hours.index(argument.hour)]))
