"""The work of a peer: the light one, or the same as the service's, with its risk."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import torch

from bench.peers import light_work, same_risk_work
from bench.peers.peer_config import PeerConfig


class PatientState(Protocol):
    """The state of one patient between two events."""

    def to_bytes(self) -> bytes:
        """Packs the state for a store."""


K = TypeVar("K", bound=PatientState)


class PatientScorer(Protocol[K]):
    """Turns an event's bytes into a risk message's, for the patient passed in."""

    def open(self, packed: bytes | None) -> K:
        """The patient that a store has packed; a new one for ``None``."""

    def take(self, patient: K, value: bytes, partition: int, offset: int, /) -> bytes | None:
        """Takes an event into a patient; returns the risk message if one is due."""


def patient_scorer(config: PeerConfig) -> PatientScorer[Any]:
    """The scorer for the configured work; limits the process to one thread."""
    torch.set_num_threads(1)  # one core each: more threads would only wait for each other
    match config.work:
        case "light":
            return light_work.PatientScorer(config.interval_ms)
        case "same":
            return same_risk_work.PatientScorer(config.interval_ms)
        case other:
            raise ValueError(f'PEER_WORK is {other!r}; it must be "light" or "same"')
