"""Facts of a model for those who show its messages: what its risks are of, how often rightly."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from streamer.bundles import bundle
from streamer.bundles.bundle import Bundle, BundleError, short
from streamer.ports.models import ModelChannel, Unfetchable
from streamer.ports.states import StoreUnavailable


class ModelFacts(NamedTuple):
    """Of one bundle.

    Attributes:
        alert_threshold: risk above which an alert starts.
        alert_ppv: share of alert starts that were right, on test patients.
        source: where that figure comes from, for people.
        outcome: what the risks are of, in words.
    """

    alert_threshold: float | None = None
    alert_ppv: float | None = None
    source: str | None = None
    outcome: str | None = None


UNKNOWN = ModelFacts()


class ModelShelf:
    """Facts by the id that messages show, each bundle read once.

    Args:
        open_channel: connects to the published models.
    """

    def __init__(self, open_channel: Callable[[], ModelChannel]) -> None:
        self._open_channel = open_channel
        self._facts: dict[str, ModelFacts] = {}

    def read(self, shown_id: str) -> ModelFacts:
        """Returns the facts of a model, unknown ones where its bundle is not to be had now."""
        if shown_id not in self._facts:
            try:
                model = self._find(shown_id)
            except (BundleError, StoreUnavailable, Unfetchable, OSError):
                return UNKNOWN
            if model is None:  # not there yet, or lost: it may be published again
                return UNKNOWN
            self._facts[shown_id] = _facts(model)
        return self._facts[shown_id]

    def _find(self, shown_id: str) -> Bundle | None:
        shipped = bundle.load(bundle.SHIPPED)
        if short(shipped.model_id) == shown_id:
            return shipped
        channel = self._open_channel()
        champion = channel.champion()
        whole = [champion.model_id] if champion is not None else []
        for model_id in [*whole, *channel.recent()]:
            if short(model_id) == shown_id and (packed := channel.fetch(model_id)) is not None:
                return bundle.from_bytes(packed)
        return None


def _facts(model: Bundle) -> ModelFacts:
    policy = model.manifest.get("alert_policy", {})
    figures = model.manifest.get("metrics", {}).get("test", {})
    ppv = figures.get("alert_ppv") if isinstance(figures, dict) else None
    n = figures.get("n_patients") if isinstance(figures, dict) else None
    source = f"{n} test patients of the model's bundle" if ppv is not None else None
    outcome = model.outcome if model.outcome.isprintable() else None
    return ModelFacts(policy.get("medium"), ppv, source, outcome)
