"""Golden stays of the models in force, and what each of these models must say of them.

Which risk is right follows from the model that says it. A service takes a new model over within
seconds, partition by partition, so a model that was in force until a moment ago may still speak.
"""

from __future__ import annotations

from typing import Final

from streamer.bundles import known_risks
from streamer.canary.golden import Expected, GoldenStay, NoGoldenStay, expected, golden_stay
from streamer.core.model import Model
from streamer.ports.states import StoreUnavailable
from streamer.service.models import ModelLibrary

GRACE_S: Final = 60.0
"""How long a model may speak after another is in force. A service looks each second; one that is
behind moves a partition when it has caught up."""
_KEPT: Final = 4  # models: in force, and those before it within the grace


class Goldens:
    """Follows the model in force.

    Args:
        library: of the published models; it trusts whom the services trust.
        interval_ms: evaluation interval of the services.

    Attributes:
        shown_id: of the model in force as this process knows it; empty before ``refresh``.
    """

    def __init__(self, library: ModelLibrary, interval_ms: int) -> None:
        self._library = library
        self._interval_ms = interval_ms
        self._models: dict[str, Model] = {}  # by shown id, the newest last
        self._until_s: dict[str, float] = {}  # until when those that are not in force may speak
        self._stays: dict[str, GoldenStay] = {}
        self._expected: list[tuple[str, GoldenStay, Expected]] = []  # of models in force
        self._now_s = 0.0
        self.shown_id = ""

    def refresh(self, now_s: float) -> None:
        """Looks which model is in force.

        Raises:
            StoreUnavailable: the channel does not answer; what is known stays.
            NoGoldenStay: the model starts no alert of any stay.
        """
        self._now_s = now_s
        model = self._library.in_force(self._models.get(self.shown_id))
        if model.shown_id == self.shown_id:
            return
        known = known_risks.parse(self._library.bundle_of(model).known, model.variables)
        stay = golden_stay(model, known, self._interval_ms)
        if self.shown_id:
            self._until_s[self.shown_id] = now_s + GRACE_S
        self._until_s.pop(model.shown_id, None)
        self._models.pop(model.shown_id, None)
        self._models[model.shown_id], self._stays[model.shown_id] = model, stay
        self.shown_id = model.shown_id
        for old in list(self._models)[:-_KEPT]:
            del self._models[old], self._stays[old]
        self._expected.clear()

    @property
    def stay(self) -> GoldenStay:
        """The golden stay of the model in force."""
        return self._stays[self.shown_id]

    def expected_of(self, shown_id: str, stay: GoldenStay) -> Expected | None:
        """What a model must say of a stay; ``None`` where it is not in force.

        A model that this process does not know yet is looked for.
        """
        if shown_id not in self._models:
            try:
                self.refresh(self._now_s)
            except (StoreUnavailable, NoGoldenStay):
                return None
        model = self._models.get(shown_id)
        if model is None or self._until_s.get(shown_id, self._now_s) < self._now_s:
            return None
        for name, own, known_before in self._expected:
            if name == shown_id and own is stay:
                return known_before
        computed = expected(model, stay, self._interval_ms)
        self._expected.append((shown_id, stay, computed))
        return computed
