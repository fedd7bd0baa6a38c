"""What a peer is told by its environment: where to read, write and keep."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from streamer.service.settings import Settings

_PREFIX: Final = "PEER_"
COMMIT_EVERY_S: Final = 1.0
"""How long a peer may gather before it commits: an alert that waits longer is no use at a bed."""
MOST_AT_ONCE: Final[int] = Settings.model_fields["max_batch"].default
"""How many events a peer that polls takes before it writes, as the service does."""


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """Where a peer reads, writes and keeps its state.

    Attributes:
        kafka: bootstrap address.
        redis: URL, for the peer that keeps its states there.
        vitals: input topic, JSON events keyed by patient.
        risk: output topic, with as many partitions.
        group: consumer group; also the prefix of what is kept.
        folder: an empty folder for local state.
        interval_ms: a risk for the first event of each interval; 0: for every observation.
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
        """As environment variables, for the process of a peer."""
        return {f"{_PREFIX}{name.upper()}": str(value) for name, value in asdict(self).items()}

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Reads what ``environment()`` gave."""
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
        """A folder of this name in the peer's own, made if need be."""
        path = Path(self.folder) / name
        path.mkdir(parents=True, exist_ok=True)
        return path
