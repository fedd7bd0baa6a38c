"""Configuration of a peer by environment variables: where to read, write and keep state."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from streamer.service.settings import Settings

_PREFIX: Final = "PEER_"
COMMIT_EVERY_S: Final = 1.0
"""Seconds between commits of a peer: an alert that waits longer is of no use at the bedside."""
MAX_BATCH: Final[int] = Settings.model_fields["max_batch"].default
"""Events that a polling peer takes before it writes, as the service does."""


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """Where a peer reads, writes and keeps its state.

    Attributes:
        kafka: bootstrap address.
        redis: URL, for the peer that keeps its states there.
        vitals: input topic, JSON events keyed by patient.
        risk: output topic, with as many partitions.
        group: consumer group; also the prefix of keys in Redis.
        folder: an empty folder for local state.
        interval_ms: length of an interval, whose first event is due; 0: every observation is due.
        partitions: of both topics.
        work: "light" or "same", see ``work``.
    """

    kafka: str
    redis: str
    vitals: str
    risk: str
    group: str
    folder: str
    interval_ms: int
    partitions: int
    work: str

    def environment(self) -> dict[str, str]:
        """The environment variables for the process of a peer."""
        return {f"{_PREFIX}{name.upper()}": str(value) for name, value in asdict(self).items()}

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Reads the variables that ``environment()`` returns."""
        config = {
            name.removeprefix(_PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(_PREFIX)
        }
        return cls(
            **{
                name: config[name] for name in ("kafka", "redis", "vitals", "risk", "group", "work")
            },
            folder=config["folder"],
            interval_ms=int(config["interval_ms"]),
            partitions=int(config["partitions"]),
        )

    def path(self, name: str) -> Path:
        """A folder of this name in the peer's folder, made if missing."""
        path = Path(self.folder) / name
        path.mkdir(parents=True, exist_ok=True)
        return path
