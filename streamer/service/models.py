"""Library of models: the published champion is in force if it may be, or the one before it."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from typing import Final

import structlog

from streamer.bundles import bundle
from streamer.bundles.acceptance import BundleRefused, Trust, accept, accept_bytes
from streamer.bundles.bundle import Bundle, short
from streamer.core.model import ID_DIGITS, Model
from streamer.core.reasons import Refusal
from streamer.ports.models import Champion, ModelChannel, Superseded, Unfetchable
from streamer.ports.states import StoreNotAllowed, StoreUnavailable
from streamer.service import metrics

_log = structlog.get_logger()
KEPT: Final = 3  # built models: in force, the one before it, and one that a replay still needs
LOOK_AGAIN_S: Final = 5.0  # at a refused bundle: other bytes may come under the same id
_VERDICTS: Final = 16  # refused bundles that are remembered; each costs a second when tried
_SHOWN_ID: Final = 64  # characters of an id that anybody may have written


@dataclass(slots=True)
class _Verdict:
    """A refused bundle: why, the hash of its bytes, and when it was last looked at."""

    refused: BundleRefused
    content: bytes
    looked_at: float


class ModelLibrary:
    """Models by id, built and tried once; follows the alias of the channel.

    Args:
        channel: the published models; ``None`` for the shipped one only.
        trust: whose bundles may take over.

    Attributes:
        shipped_id: the id of the shipped model, which needs no publication.
        refusal: why the champion is not in force; ``None`` when it is.

    Raises:
        BundleError: the shipped model cannot be used.
    """

    def __init__(self, channel: ModelChannel | None, trust: Trust | None = None) -> None:
        self._channel = channel
        self._trust = trust or Trust()
        self._shipped: Bundle = bundle.load(bundle.SHIPPED)
        # Every transaction asks for the id, and a bundle hashes all of its weights for it.
        self.shipped_id: Final = self._shipped.model_id
        self._built: dict[str, tuple[Bundle, Model]] = {}
        self._verdicts: dict[str, _Verdict] = {}
        self._champion: Champion | None = None
        self._kept: str | None = None
        self._published: str | None = None  # the last champion that came into force
        self._is_lost = False  # by the channel, as it was said in the log
        self.refusal: BundleRefused | None = None

    def in_force(self, fallback: Model | None = None) -> Model:
        """Returns the champion, or the shipped model where none is published.

        A channel that has lost its champion gets it again from whoever knows it.

        Args:
            fallback: stays in force where the champion is refused, which is logged once, or gone.
                Without one, the model that was in force before takes its place.

        Raises:
            StoreUnavailable: the channel does not answer.
        """
        champion = self._channel.champion() if self._channel is not None else None
        if champion is None:  # nothing was ever published, or Redis has lost it
            self._note(None)
            if (known := self._published_again()) is not None:
                return known
            return fallback or self._before(None) or self._built_shipped()
        if champion != self._champion:  # published anew: other bytes may be there already
            self._champion = champion
            if champion.model_id in self._verdicts:
                self._verdicts[champion.model_id].looked_at = -math.inf
            self._take_signatures(champion.model_id)
        model = self.get(champion.model_id)
        verdict = self._verdicts.get(champion.model_id)
        self._note(verdict.refused if model is None and verdict else None)
        if model is not None:
            self._published, self._is_lost = model.model_id, False
            if self._channel is not None:
                self._keep_for_restart(self._channel, model)
            return model
        return fallback or self._before(champion) or self._built_shipped()

    @property
    def is_published(self) -> bool:
        """Whether the model in force was published, rather than shipped for want of another."""
        return self._published is not None

    def bundle_of(self, model: Model) -> Bundle:
        """Returns the bundle of a model that this library has just given away."""
        return self._built[model.model_id][0]

    def get(self, model_id: str) -> Model | None:
        """Returns a published or shipped model, ``None`` where it is not kept or is refused.

        Args:
            model_id: the whole id; or its first twelve digits, as earlier versions stored it. Those
                find a model that may be used anyway, and say nothing about whether it may.

        Raises:
            StoreUnavailable: the channel does not answer.
        """
        for whole, (_, model) in self._built.items():
            if model_id == whole or (len(model_id) == ID_DIGITS and whole.startswith(model_id)):
                return model
        if model_id in (self.shipped_id, short(self.shipped_id)):
            return self._built_shipped()
        return None if self._channel is None else self._try(self._channel, model_id)

    def _take_signatures(self, model_id: str) -> None:
        """Takes the bytes of a known model that is published again: another key may have signed."""
        if self._channel is None or model_id not in self._built:
            return
        try:
            packed = self._fetch(self._channel, model_id)
            content, _ = accept_bytes(packed, model_id, self._trust)
        except BundleRefused as error:
            _log.error("published again, and refused", model=short(model_id), error=str(error))
            return
        known, model = self._built[model_id]
        if content != known:
            self._built[model_id] = content, model
            self._kept = None

    def _try(self, channel: ModelChannel, model_id: str) -> Model | None:
        """Fetches, builds and tries a bundle, unless its bytes were refused before."""
        before, now = self._verdicts.get(model_id), time.monotonic()
        if before is not None and now - before.looked_at < LOOK_AGAIN_S:
            return None
        content = b""
        try:
            packed = self._fetch(channel, model_id)
            content = hashlib.sha256(packed).digest()
            if before is not None and before.content == content:
                before.looked_at = now
                return None
            accepted = accept_bytes(packed, model_id, self._trust)
        except BundleRefused as error:
            self._refuse(model_id, _Verdict(error, content, now), before)
            return None
        self._verdicts.pop(model_id, None)
        return self._keep(*accepted)

    def _fetch(self, channel: ModelChannel, model_id: str) -> bytes:
        try:
            packed = channel.fetch(model_id)
            if packed is None and len(model_id) == ID_DIGITS:
                whole = (whole for whole in channel.recent() if whole.startswith(model_id))
                packed = next((p for name in whole if (p := channel.fetch(name))), None)
        except Unfetchable as error:
            raise BundleRefused(Refusal.UNREADABLE, str(error)) from error
        if packed is None:
            raise BundleRefused(Refusal.MISSING, "its bundle is not kept in Redis")
        return packed

    def _refuse(self, model_id: str, verdict: _Verdict, before: _Verdict | None) -> None:
        self._verdicts.pop(model_id, None)
        self._verdicts[model_id] = verdict
        for old in list(self._verdicts)[:-_VERDICTS]:
            del self._verdicts[old]
        refused = verdict.refused
        if before is None or before.content != verdict.content:
            metrics.MODELS_REFUSED.labels(refused.reason).inc()
            shown = ascii(model_id)[1:-1][:_SHOWN_ID]
            _log.error("model refused", model=shown, reason=refused.reason, error=str(refused))

    def _note(self, refusal: BundleRefused | None) -> None:
        reason = refusal.reason if refusal else None
        metrics.MODEL_REFUSED.set({each: int(each == reason) for each in Refusal})
        self.refusal = refusal

    def _keep_for_restart(self, channel: ModelChannel, model: Model) -> None:
        """Keeps the model in force where no publication pushes it out."""
        content, _ = self._built[model.model_id]
        if model.model_id == self._kept:
            return
        try:
            if self._kept is None or channel.kept() != model.model_id:
                channel.keep(model.model_id, content.to_bytes())
            self._kept = model.model_id
        except StoreUnavailable as error:
            _log.warning("the model in force is not kept for a restart", error=str(error))

    def _published_again(self) -> Model | None:
        """Gives a channel that has lost it the last champion that came into force."""
        if self._channel is None or self._published not in self._built:
            return None
        content, model = self._built[self._published]
        self._kept = None  # that may be lost as well
        try:
            self._channel.publish(model.model_id, content.to_bytes(), 0)
            _log.warning("the channel had lost its model, published again", model=model.shown_id)
        except Superseded:
            pass  # another service was faster
        except StoreNotAllowed as error:  # only trainers may publish: theirs will at their start
            if not self._is_lost:
                _log.error("the channel has lost its model", model=model.shown_id, error=str(error))
        self._is_lost = True
        return model

    def _before(self, champion: Champion | None) -> Model | None:
        """The model that was in force before, as far as it is kept and may be."""
        if self._channel is None:
            return None
        for model_id in (self._channel.kept(), *self._channel.recent()):
            is_other = model_id is not None and (not champion or model_id != champion.model_id)
            model = self.get(model_id) if model_id is not None and is_other else None
            if model is not None:
                _log.warning("the model before is in force", model=model.shown_id)
                return model
        return None

    def _built_shipped(self) -> Model:
        if self.shipped_id in self._built:
            return self._built[self.shipped_id][1]
        return self._keep(self._shipped, accept(self._shipped, self._trust))

    def _keep(self, content: Bundle, model: Model) -> Model:
        self._built[model.model_id] = content, model
        # The champion is asked for last, after replays have asked for many: it stays.
        others = [old for old in self._built if old not in (model.model_id, self._published)]
        for old in others[: max(0, len(self._built) - KEPT)]:
            del self._built[old]
        return model
