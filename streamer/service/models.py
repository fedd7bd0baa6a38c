"""Library of models: the published champion is in force, or the shipped model."""

from __future__ import annotations

import contextlib
from typing import Final

import structlog

from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.bundles.bundle import Bundle, BundleError
from streamer.core.model import Model
from streamer.ports.models import ModelChannel, Superseded
from streamer.ports.states import StoreUnavailable

_log = structlog.get_logger()
KEPT: Final = 3  # built models: in force, the one before it, and one that a replay still needs


class ModelLibrary:
    """Models by id, built once; follows the alias of the channel.

    Args:
        channel: the published models; ``None`` for the shipped one only.

    Raises:
        BundleError: the shipped model cannot be used.
    """

    def __init__(self, channel: ModelChannel | None) -> None:
        self._channel = channel
        self._shipped: Bundle = bundle.load(bundle.SHIPPED)
        self._built: dict[str, Model] = {}
        self._bundles: dict[str, Bundle] = {}  # what they were built from
        self._refused: set[str] = set()
        self._published: Bundle | None = None  # the last champion that could be used

    def in_force(self, fallback: Model | None = None) -> Model:
        """Returns the champion, or the shipped model where none was ever published.

        A channel that has lost its champion gets it again: no other model may come into force by
        accident.

        Args:
            fallback: stays in force where the published model cannot be used, which is logged once.

        Raises:
            StoreUnavailable: the channel does not answer, or the published model cannot be used and
                nothing says which one may speak instead.
        """
        champion = self._channel.champion() if self._channel is not None else None
        if champion is None:
            return self._publish_again()
        model = self.get(champion.model_id)
        if model is not None:
            self._published = self._bundles.get(champion.model_id)
        model = model or fallback
        if model is None:
            raise StoreUnavailable(
                f"a model: {champion.model_id} is published and cannot be used. Publish one that "
                "can (`trainer models promote`, `trainer models rollback`)"
            )
        return model

    @property
    def is_published(self) -> bool:
        """Whether the model in force was published, rather than shipped for want of another."""
        return self._published is not None

    def get(self, model_id: str) -> Model | None:
        """Returns a published or shipped model, ``None`` where it is not kept or cannot be used.

        Raises:
            StoreUnavailable: the channel does not answer.
        """
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

    def _publish_again(self) -> Model:
        if self._channel is None or self._published is None:
            return self._build(self._shipped)
        model_id = self._published.model_id
        with contextlib.suppress(Superseded):  # another service was faster
            self._channel.publish(model_id, self._published.to_bytes(), 0)
            _log.warning("the channel had lost its model, published again", model=model_id)
        return self._build(self._published)

    def _build(self, content: Bundle) -> Model:
        model_id = content.model_id
        self._bundles[model_id] = content
        if model_id not in self._built:
            self._built[model_id] = build(content)
            for old in list(self._built)[:-KEPT]:
                del self._built[old]
                self._bundles.pop(old, None)
        return self._built[model_id]
