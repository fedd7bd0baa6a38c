"""Faults of Redis."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from bench.chaos.fault_lane import FaultLane, deck
from bench.chaos.model_swaps import publish
from bench.chaos.tally import Tally
from streamer.adapters.redis.client import connect
from streamer.adapters.redis.models import RedisModels
from streamer.adapters.redis.states import RedisStates
from streamer.bundles.bundle import Bundle
from streamer.local import LocalStack
from streamer.service.bootstrap import state_store
from streamer.service.settings import Settings

ROLLBACK_S: Final = 2.0
# Services give up on an answer after ten seconds; Redis still runs their commands when it wakes up.
_PAST_THE_TIMEOUT_S: Final = 11.0
_CUTS: Final = 10
_KNOWN_WITHIN_S: Final = 5.0  # services look at the model in force once a second

# Rare, as every event so far is replayed afterwards, or nothing happens for eleven seconds.
_RARE: Final = (
    "Redis wiped, its published model too",
    "states of a partition deleted",
    "Redis frozen past the timeout",
)
_OFTEN: Final = (
    "Redis stopped and started",
    "Redis killed (-9)",
    "Redis frozen",
    "Redis read-only",
    "Redis out of memory",
    "Redis connections cut",
    "Redis rolled back 2 s",
)
KINDS: Final = (*_RARE, *_OFTEN)
LOSSES: Final = ("Redis wiped, its published model too", "states of a partition deleted")


class RedisLane(FaultLane):
    """Stops, kills, freezes, empties and rolls back Redis, and makes it refuse commands.

    Args:
        seed: of the faults.
        stack: the Redis.
        settings: of the services.
        rest_s: shortest and longest time between two faults.
        tally: counts them.
        model: the published one. Services that know it publish it again when Redis has lost it; if
            none was left that knew it, this does, as its operator would.
        may_lose: whether states may be gone for good; they are then rebuilt from the log.
    """

    def __init__(
        self,
        seed: int,
        stack: LocalStack,
        settings: Settings,
        rest_s: tuple[float, float],
        tally: Tally,
        model: Bundle,
        *,
        may_lose: bool = True,
    ) -> None:
        rare = [kind for kind in _RARE if may_lose or kind not in LOSSES]
        cards = deck(seed, "redis", (*rare, *_OFTEN * 3))
        super().__init__("redis", seed, cards, rest_s, tally)
        self._stack = stack
        self._server = stack.redis_server
        self._settings = settings
        self._model = model
        self._client = Redis.from_url(stack.redis_admin, socket_timeout=20)

    def strike(self, kind: str) -> str:
        """See ``FaultLane``."""
        match kind:
            case "Redis stopped and started":
                self._server.stop()
                self._hold(0.5, 3)
                self._server.start()
            case "Redis killed (-9)":
                self._server.kill()
                self._hold(0, 1)
                self._server.start()
            case "Redis frozen":
                self._freeze(self.draws.uniform(1, 4))
            case "Redis frozen past the timeout":
                self._freeze(_PAST_THE_TIMEOUT_S)
            case "Redis read-only":
                self._with("min-replicas-to-write", "1", "0")
            case "Redis out of memory":
                self._with("maxmemory", "1mb", "0")
            case "Redis connections cut":
                for _ in range(_CUTS):
                    self._client.client_kill_filter(_type="normal", skipme=True)
                    self._hold(0.05, 0.3)
            case "Redis rolled back 2 s":
                self._roll_back()
            case "Redis wiped, its published model too":
                self._client.flushall()
                self._hold(_KNOWN_WITHIN_S, _KNOWN_WITHIN_S)
                if RedisModels(self._client).champion() is None:
                    publish(self._stack.redis, self._model)
            case "states of a partition deleted":
                self._client.delete(self._keys()[self.draws.randrange(self._settings.partitions)])
        return kind

    def _keys(self) -> list[str]:
        states: RedisStates = state_store(self._settings)
        return [states.key(partition) for partition in range(self._settings.partitions)]

    def _freeze(self, seconds: float) -> None:
        os.kill(self._server.pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(self._server.pid, signal.SIGCONT)

    def _with(self, option: str, bad: str, good: str) -> None:
        self._client.config_set(option, bad)
        try:
            self._hold(1, 4)
        finally:
            self._client.config_set(option, good)

    def _roll_back(self) -> None:
        """Sets all states back to what they were two seconds ago, epochs and watermarks too."""
        keys = self._keys()
        before: list[Any] = [self._client.dump(key) for key in keys]
        time.sleep(ROLLBACK_S)
        # One command a partition: of a transaction, Redis refuses on its next start what the
        # default user may not do (RESTORE), and stays from before it are gone without a word.
        for key, content in zip(keys, before, strict=True):
            if content is None:
                self._client.delete(key)
            else:
                self._client.restore(key, 0, content, replace=True)

    def _hold(self, shortest_s: float, longest_s: float) -> None:
        time.sleep(self.draws.uniform(shortest_s, longest_s))


def watermarks(settings: Settings) -> list[int | None]:
    """The watermark of each partition's states; ``None`` without one or without an answer."""
    states: RedisStates = state_store(settings)
    with contextlib.closing(connect(settings.redis())) as client:
        try:
            marks = [client.hget(states.key(p), "__wm__") for p in range(settings.partitions)]
        except RedisError:
            return [None] * settings.partitions
    return [None if mark is None else int(mark) for mark in marks]
