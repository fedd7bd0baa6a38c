"""Faults that are none: another model is published, again and again."""

from __future__ import annotations

import contextlib
from typing import Final

import numpy as np
from redis.exceptions import RedisError

from bench.chaos.fault_lane import FaultLane, deck
from bench.chaos.tally import Tally
from streamer.adapters.redis.client import connect
from streamer.adapters.redis.models import RedisModels
from streamer.bundles import bundle
from streamer.bundles.build import build, make
from streamer.bundles.bundle import Bundle
from streamer.core.lstm_network import Network
from streamer.core.model import Model
from streamer.ports.models import Superseded
from streamer.ports.states import StoreUnavailable

KINDS: Final = ("a model published", "the model before it published again")
_SHIFTS: Final = (0.25, -0.4)  # of the logits: the models say other risks, and other alerts


def variants() -> list[Bundle]:
    """Two models that are not the shipped one: its network with other biases."""
    model = build(bundle.load(bundle.SHIPPED))
    made = []
    for shift in _SHIFTS:
        weights = dict(model.network.weights)
        weights["bias"] = weights["bias"] + np.float32(shift)
        variant = Model(
            "", Network(model.architecture, weights), model.scaling, model.calibrations,
            model.threshold, model.policy,
        )  # fmt: skip
        made.append(make(variant, {}, f"# The shipped model, its logits moved by {shift}\n"))
    return made


def publish(redis_url: str, model: Bundle) -> bool:
    """Puts a model in force; false where Redis is away or another is published at the moment."""
    with contextlib.closing(connect(redis_url)) as client:
        channel = RedisModels(client)
        try:
            champion = channel.champion()
            version = 0 if champion is None else champion.version
            channel.publish(model.model_id, model.to_bytes(), version)
        except (Superseded, StoreUnavailable, RedisError):
            return False
    return True


class ModelLane(FaultLane):
    """Publishes two models in turns."""

    def __init__(
        self, seed: int, redis_url: str, rest_s: tuple[float, float], tally: Tally
    ) -> None:
        super().__init__("models", seed, deck(seed, "models", KINDS), rest_s, tally)
        self._redis_url = redis_url
        self._models = variants()

    def strike(self, kind: str) -> str | None:
        """See ``FaultLane``."""
        model = self._models[KINDS.index(kind)]
        return kind if publish(self._redis_url, model) else None
