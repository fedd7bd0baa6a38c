"""Which work a peer is given: the light one, or that which says the service's own risk."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import torch

from bench.peers import light, same
from bench.peers.peer_config import PeerConfig


class Kept(Protocol):
    """What is kept of one patient between two events."""

    def to_bytes(self) -> bytes:
        """Packs it for a store."""


K = TypeVar("K", bound=Kept)


class Bedside(Protocol[K]):
    """From an event's bytes to a risk message's, for a patient that is handed in."""

    def open(self, packed: bytes | None) -> K:
        """What a store has of a patient; a new one if it has nothing."""

    def take(self, kept: K, value: bytes, partition: int, offset: int, /) -> bytes | None:
        """Takes an event into a patient; returns the risk message if one is due."""


def bedside(config: PeerConfig) -> Bedside[Any]:
    """The work that a peer was told to do, for a process that does nothing else."""
    torch.set_num_threads(1)  # one core each: more threads would wait for each other
    match config.work:
        case "light":
            return light.Bedside(config.interval_ms)
        case "same":
            return same.Bedside(config.interval_ms)
        case other:
            raise ValueError(f"no such work: {other!r}; there is light and same")
