"""Why a model says what it says of one stay: everything ``trainer explain`` draws and reads out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.core import explain as occlusion
from streamer.core.alerts import AlertPolicy
from streamer.core.cleaning import clean
from streamer.core.model import Model
from streamer.core.variables import VARIABLES
from streamer.datasets.cohort import NO_LABEL, Cohort
from trainer.data.labels import onset_rows
from trainer.decisions.alert_replay import alert_phases
from trainer.errors import InputError
from trainer.explain.influence import Influence, Measurement, influences
from trainer.explain.lstm_gates import Gates, gate_activity
from trainer.explain.measurement_arg import Followed
from trainer.explain.unroll import unroll
from trainer.training.network import TorchNetwork

N_EACH: Final = 2
"""So many vital signs, and so many other values, are followed where none is named. Vital signs are
measured again within the hour; what lasts is seen on laboratory values."""

_IS_VITAL: Final = np.array([variable.is_vital for variable in VARIABLES])


@dataclass(frozen=True, slots=True)
class Explanation:
    """One stay of ``T`` hours, as one model sees it.

    Log odds are those of the 6 h risk before calibration, as in the reasons of an alert.

    Attributes:
        patient: id.
        model_id: of the bundle.
        threshold: above it the 6 h risk is positive.
        policy: the alert thresholds.
        hour: ``(T,)`` hours since ICU admission (ICULOS).
        values: ``(T, 34)`` cleaned values, NaN where not measured.
        risks: ``(T, 3)`` calibrated.
        phases: ``(T,)`` what each hour does to the alert, a ``Phase``.
        onset: hour of sepsis onset; infinite without sepsis, NaN where there is no label.
        contributions: ``(T, 34)`` what each variable adds to the log odds of the hour.
        high: ``(T, 34)`` whether its value lies above the mean of training.
        glance: ``(T,)`` log odds that the encoder reads from the features of the hour.
        recall: ``(T,)`` log odds that the LSTM adds to them.
        gates: of the LSTM, a batch of one.
        influences: of single measurements.
    """

    patient: str
    model_id: str
    threshold: float
    policy: AlertPolicy
    hour: NDArray[np.int64]
    values: NDArray[np.float32]
    risks: NDArray[np.float64]
    phases: NDArray[np.uint8]
    onset: float
    contributions: NDArray[np.float64]
    high: NDArray[np.bool_]
    glance: NDArray[np.float64]
    recall: NDArray[np.float64]
    gates: Gates
    influences: list[Influence]

    @property
    def peak(self) -> int:
        """Row of the highest 6 h risk."""
        return int(self.risks[:, 0].argmax())


def place_of(patient: str, patient_ids: Sequence[str]) -> int:
    """The place of a patient among others.

    Raises:
        InputError: there is none of that id; the message names some that there are.
    """
    try:
        return list(patient_ids).index(patient)
    except ValueError:
        near = get_close_matches(patient, patient_ids) or list(patient_ids[:3])
        raise InputError(
            f"no patient {patient!r} among these {len(patient_ids):,}; there are for example "
            f"{', '.join(near)}; without PATIENT some to look at are named"
        ) from None


def explain(model: Model, stay: Cohort, follow: Sequence[Followed] = ()) -> Explanation:
    """Runs a model over one stay and asks it why.

    Args:
        model: what scores.
        stay: one stay.
        follow: measurements whose influence is wanted; without any, those that add most at the
            peak of the risk.

    Raises:
        InputError: a measurement that this stay does not have.
    """
    values = clean(stay.values)
    run = unroll(model, stay, values[None])
    seen, h, c = run.seen[0], run.h[0], run.c[0]
    known = np.logical_or.accumulate(~np.isnan(values), axis=0)
    contributions = occlusion.contributions(model, seen, h, c, known)
    risks = model.risks(run.logits[0])
    hour = stay.iculos.astype(np.int64)
    peak = int(risks[:, 0].argmax())
    wanted = (
        [_measurement(each, values, hour, peak) for each in follow]
        if follow
        else _strongest(contributions, values, peak)
    )
    network = TorchNetwork.of(model.network)
    with torch.inference_mode():
        read = network.encode(torch.from_numpy(model.scaling.apply(seen)))
        start = torch.zeros(model.architecture.layers, 1, model.architecture.hidden)
        gates = gate_activity(network.lstm, read[:, None], start, start)
        glance = network.glance(read)[:, 0].double().numpy()
        recall = network.recall(torch.from_numpy(gates.h[-1, :, 0]))[:, 0].double().numpy()
    return Explanation(
        patient=stay.patient_ids[0],
        model_id=model.model_id,
        threshold=model.threshold,
        policy=model.policy,
        hour=hour,
        values=values,
        risks=risks,
        phases=alert_phases(risks[:, 0], stay.starts, model.policy),
        onset=_onset(stay),
        contributions=contributions,
        high=occlusion.is_high(model, seen),
        glance=glance,
        recall=recall,
        gates=gates,
        influences=influences(model, stay, values, wanted),
    )


def _onset(stay: Cohort) -> float:
    if stay.label[0] == NO_LABEL:
        return float("nan")
    return float(stay.iculos[0] + onset_rows(stay.label, stay.starts)[0])


def _strongest(
    contributions: NDArray[np.float64], values: NDArray[np.float32], peak: int
) -> list[Measurement]:
    """The newest measurements at the peak of the variables that add most there.

    Before anything was measured nothing adds: a stay that begins at its peak is asked at its end.
    """
    row = peak if (contributions[peak] > 0).any() else len(values) - 1
    order = np.argsort(-contributions[row], kind="stable")
    order = order[contributions[row, order] > 0]  # so each of them was measured
    chosen = [*order[_IS_VITAL[order]][:N_EACH], *order[~_IS_VITAL[order]][:N_EACH]]
    newest = [int(np.flatnonzero(~np.isnan(values[: row + 1, v]))[-1]) for v in chosen]
    found = [Measurement(int(v), at) for v, at in zip(chosen, newest, strict=True)]
    return sorted(found, key=lambda m: -contributions[row, m.variable])


def _measurement(
    followed: Followed, values: NDArray[np.float32], hour: NDArray[np.int64], peak: int
) -> Measurement:
    """Finds what is to be followed among what was measured."""
    rows = np.flatnonzero(~np.isnan(values[:, followed.variable]))
    hours, name = hour[rows].tolist(), VARIABLES[followed.variable].name
    if not hours:
        raise InputError(f"{name} was not measured in this stay")
    if followed.hour is None:
        at_peak = max(int((rows <= peak).sum()) - 1, 0)
        return Measurement(followed.variable, int(rows[at_peak]))
    if followed.hour not in hours:
        raise InputError(f"{name} was not measured in hour {followed.hour}; its hours: {hours}")
    return Measurement(followed.variable, int(rows[hours.index(followed.hour)]))
