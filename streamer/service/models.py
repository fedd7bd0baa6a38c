"""Which model is in force: the published champion, or the shipped one."""

from __future__ import annotations

from typing import Final

import structlog

from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.bundles.bundle import Bundle, BundleError
from streamer.core.model import Model
from streamer.ports.models import ModelChannel

_log = structlog.get_logger()
KEPT: Final = 3  # the model in force, the one before it, and one that a replay still needs


class ModelLibrary:
    """Models by id, built once; follows the alias of the channel.

    Args:
        channel: where models are published; ``None`` keeps to the shipped one.
    """

    def __init__(self, channel: ModelChannel | None) -> None:
        self._channel = channel
        self._shipped: Bundle = bundle.load(bundle.SHIPPED)
        self._built: dict[str, Model] = {}
        self._refused: set[str] = set()

    def in_force(self, fallback: Model | None = None) -> Model:
        """Returns the champion.

        A published model that cannot be used is reported once and ``fallback`` stays in force.
        """
        champion = self._channel.champion() if self._channel is not None else None
        if champion is None:
            return self._build(self._shipped)
        model = self.get(champion.model_id)
        return model or fallback or self._build(self._shipped)

    def get(self, model_id: str) -> Model | None:
        """Returns a model that was published or shipped, ``None`` when it is not to be had."""
        if model_id in self._built:
            return self._built[model_id]
        if model_id in self._refused:
            return None
        if model_id == self._shipped.model_id:
            return self._build(self._shipped)
        packed = self._channel.fetch(model_id) if self._channel is not None else None
        if packed is None:
            return None
        try:
            return self._build(bundle.from_bytes(packed))
        except BundleError as error:
            self._refused.add(model_id)
            _log.error("model refused", model=model_id, error=str(error))
            return None

    def _build(self, content: Bundle) -> Model:
        model_id = content.model_id
        if model_id not in self._built:
            self._built[model_id] = build(content)
            for old in list(self._built)[:-KEPT]:
                del self._built[old]
        return self._built[model_id]
