"""Burdens that were counted a moment ago: each costs a read of the topic, and changes slowly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from streamer.board.api import Burden
from streamer.board.board import Audience

_KEPT_S: Final = 30.0


@dataclass(slots=True)
class BurdenCache:
    """Burdens that were counted a moment ago, by days and audience."""

    _counted: dict[tuple[int, Audience], tuple[float, Burden]] = field(default_factory=dict)

    def known(self, days: int, audience: Audience, now_s: float) -> Burden | None:
        """Returns one that is still good."""
        counted_s, counted = self._counted.get((days, audience), (-_KEPT_S, None))
        return counted if now_s - counted_s < _KEPT_S else None

    def keep(self, days: int, audience: Audience, now_s: float, counted: Burden) -> None:
        """Keeps one, and forgets those that are not good any more."""
        self._counted = {k: v for k, v in self._counted.items() if now_s - v[0] < _KEPT_S}
        self._counted[days, audience] = now_s, counted
