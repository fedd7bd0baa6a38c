"""Port: the channel of published models. The trainer publishes, the streamer follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Champion:
    """The model in force: its id, and a version that rises by one with every publication."""

    model_id: str
    version: int


class Superseded(RuntimeError):
    """Another trainer has published in the meantime; ask for the champion again first."""


class ModelChannel(Protocol):
    """Published model bundles, and the alias of the one in force.

    Each call raises ``StoreUnavailable`` (see ``ports.states``) when the channel does not answer.
    """

    def champion(self) -> Champion | None:
        """Returns the model in force, ``None`` if none was ever published."""

    def fetch(self, model_id: str) -> bytes | None:
        """Returns the packed bundle of a published model, ``None`` if it is no longer kept."""

    def publish(self, model_id: str, packed: bytes, expected_version: int) -> Champion:
        """Puts a bundle in force if ``expected_version`` still is (0: none was ever published).

        Bundle and alias change in one step: a reader never finds an alias without its bundle.

        Raises:
            Superseded: another version is in force by now.
        """
