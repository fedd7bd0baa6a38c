"""Published models in Redis: bundles by id, and an alias that one script moves with its bundle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from redis.exceptions import ResponseError

from streamer.adapters.redis.client import Client
from streamer.adapters.redis.errors import redis_errors
from streamer.bundles.bundle import MOST_PACKED
from streamer.ports.models import Champion, Fenced, Superseded, Unfetchable
from streamer.ports.states import StoreNotAllowed

_VERSION_DIGITS: Final = 15  # a Lua number is exact with these; who wrote more is no trainer
KEPT: Final = 5  # bundles: enough for a rollback, and for a replay after a crash

# Whoever can write Redis can write anything under these keys. What is of another type is deleted,
# or nobody could publish over it. One step: nobody sees an alias without its bundle, nor two
# publications of one version.
_PUBLISH: Final = f"""
local function typed(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end
typed(KEYS[1], 'hash')
typed(KEYS[2], 'list')
local function number(field)
  local text = redis.call('HGET', KEYS[1], field) or '0'
  local is_number = #text <= {_VERSION_DIGITS} and string.match(text, '^%d+$')
  return is_number and tonumber(text) or 0
end
local version, fence = number('version'), number('fence')
if tonumber(ARGV[6]) > 0 and tonumber(ARGV[6]) < fence then return {{-1, fence}} end
if version ~= tonumber(ARGV[2]) then return {{0, version}} end
redis.call('SET', ARGV[4] .. ARGV[1], ARGV[3])
redis.call('LREM', KEYS[2], 0, ARGV[1])
redis.call('LPUSH', KEYS[2], ARGV[1])
for _, old in ipairs(redis.call('LRANGE', KEYS[2], tonumber(ARGV[5]), -1)) do
  redis.call('DEL', ARGV[4] .. old)
end
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[5]) - 1)
redis.call('HSET', KEYS[1], 'model', ARGV[1], 'version', version + 1)
if tonumber(ARGV[6]) > fence then redis.call('HSET', KEYS[1], 'fence', ARGV[6]) end
return {{1, version + 1}}
"""


class RedisModels:
    """The model channel that production uses.

    Args:
        redis: a client that returns bytes and has a socket timeout.
        namespace: prefix of the keys; the braces keep them on one node of a Redis Cluster.
        own: key of the bundle that a group of services keeps; ``None`` for who keeps none.
    """

    def __init__(self, redis: Client, namespace: str = "vigil", own: str | None = None) -> None:
        self._redis = redis
        self._champion = f"{{{namespace}:models}}:champion"
        self._recent = f"{{{namespace}:models}}:recent"
        self._bundle = f"{{{namespace}:models}}:bundle:"
        self._publish = redis.register_script(_PUBLISH)
        self._own = own

    def champion(self) -> Champion | None:
        """See ``ModelChannel``."""
        try:
            with redis_errors(), _other_type():
                values: Any = self._redis.hmget(self._champion, ["model", "version"])
        except Unfetchable:
            return Champion("", 0)
        model, version = values
        if model is None:
            return None
        digits = version or b"0"
        is_number = digits.isdigit() and len(digits) <= _VERSION_DIGITS
        return Champion(model.decode(errors="replace"), int(digits) if is_number else 0)

    def recent(self) -> list[str]:
        """See ``ModelChannel``."""
        try:
            with redis_errors(), _other_type():
                listed: Any = self._redis.lrange(self._recent, 0, KEPT - 1)
        except Unfetchable:
            return []
        return [model.decode(errors="replace") for model in listed]

    def fetch(self, model_id: str) -> bytes | None:
        """See ``ModelChannel``."""
        key = self._bundle + model_id
        with redis_errors(), _other_type():
            size: Any = self._redis.strlen(key)
            if size > MOST_PACKED:  # before it comes over the network
                raise Unfetchable(f"it has {size} bytes, at most {MOST_PACKED} are read")
            packed: Any = self._redis.getrange(key, 0, MOST_PACKED)
            if not packed and not self._redis.exists(key):
                return self._fetch_own(model_id)
        return bytes(packed)

    def publish(
        self, model_id: str, packed: bytes, expected_version: int, fence: int = 0
    ) -> Champion:
        """See ``ModelChannel``."""
        with redis_errors():
            published, version = self._publish(
                keys=[self._champion, self._recent],
                args=[model_id, expected_version, packed, self._bundle, KEPT, fence],
            )
        if published < 0:
            raise Fenced(f"lease {version} has published, this is lease {fence}")
        if not published:
            raise Superseded(f"version {version} is in force, not {expected_version}")
        return Champion(model_id, version)

    def keep(self, model_id: str, packed: bytes) -> None:
        """See ``ModelChannel``."""
        if self._own is not None:
            with redis_errors():
                self._redis.hset(self._own, mapping={"model": model_id, "packed": packed})

    def kept(self) -> str | None:
        """See ``ModelChannel``."""
        if self._own is None:
            return None
        try:
            with redis_errors(), _other_type():
                model: Any = self._redis.hget(self._own, "model")
        except Unfetchable:
            return None
        return None if model is None else model.decode(errors="replace")

    def _fetch_own(self, model_id: str) -> bytes | None:
        if self._own is None or self.kept() != model_id:
            return None
        with redis_errors():
            size: Any = self._redis.hstrlen(self._own, "packed")
            packed: Any = self._redis.hget(self._own, "packed") if size <= MOST_PACKED else None
        return None if packed is None else bytes(packed)


class ReadOnlyModels(RedisModels):
    """The channel for who only reads it: a canary or a person's command publishes nothing."""

    def publish(
        self, model_id: str, packed: bytes, expected_version: int, fence: int = 0
    ) -> Champion:
        """Refuses.

        Raises:
            StoreNotAllowed: always.
        """
        del model_id, packed, expected_version, fence
        raise StoreNotAllowed("this program publishes no model")


@contextmanager
def _other_type() -> Iterator[None]:
    """Turns the error of a key of another type, which no wait would mend, into ``Unfetchable``."""
    try:
        yield
    except ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
        raise Unfetchable("it is a value of another type") from error
