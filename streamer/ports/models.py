"""Port: the channel of published models. The trainer publishes, the streamer follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Champion:
    """The model in force: its id, and a version that rises by one with every publication."""

    model_id: str
    version: int


class Unfetchable(ValueError):
    """What is published cannot be fetched: it is no bundle, or too large for one."""


class Superseded(RuntimeError):
    """Another trainer has published in the meantime; ask for the champion again first."""


class Fenced(Superseded):
    """A later holder of the trainers' lease has published: what was decided before is void."""


class ModelChannel(Protocol):
    """Published model bundles, and the alias of the one in force.

    Each call raises ``StoreUnavailable`` (see ``ports.states``) when the channel does not answer.
    """

    def champion(self) -> Champion | None:
        """Returns the alias as it is, ``None`` if none was ever published.

        Whoever can write the channel can write anything: the id may be any text.
        """

    def recent(self) -> list[str]:
        """Returns the ids of the models that were published last, the newest first."""

    def fetch(self, model_id: str) -> bytes | None:
        """Returns the packed bundle of a published model, ``None`` if it is no longer kept.

        Raises:
            Unfetchable: it is larger than a bundle may be, or of another type.
        """

    def keep(self, model_id: str, packed: bytes) -> None:
        """Keeps the bundle of the model in force for this group, in place of the one before.

        Publications do not push it out, and ``fetch`` finds it. It is the group's own: whoever may
        publish has no say in it.
        """

    def kept(self) -> str | None:
        """Returns the id of the model that this group keeps, ``None`` if it keeps none."""

    def publish(
        self, model_id: str, packed: bytes, expected_version: int, fence: int = 0
    ) -> Champion:
        """Puts a bundle in force if ``expected_version`` still is (0: none was ever published).

        Bundle and alias change in one step: a reader never finds an alias without its bundle.

        Args:
            model_id: of the bundle.
            packed: the bundle.
            expected_version: what was in force when this was decided.
            fence: number of the trainers' lease under which it was decided; 0: a person decided.

        Raises:
            Superseded: another version is in force by now.
            Fenced: a publication under a later lease is on record.
        """
