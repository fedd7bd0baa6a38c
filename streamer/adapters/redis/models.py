"""Published models in Redis: bundles by id, and an alias that one script moves with its bundle."""

from __future__ import annotations

from typing import Any, Final

from streamer.adapters.redis.client import Client
from streamer.adapters.redis.errors import redis_errors
from streamer.ports.models import Champion, Superseded

KEPT: Final = 5  # bundles: enough for a rollback, and for a replay after a crash

# One step: nobody sees an alias without its bundle, nor two publications of one version.
_PUBLISH: Final = """
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= ARGV[2] then return {0, tonumber(version)} end
redis.call('SET', ARGV[4] .. ARGV[1], ARGV[3])
redis.call('LREM', KEYS[2], 0, ARGV[1])
redis.call('LPUSH', KEYS[2], ARGV[1])
for _, old in ipairs(redis.call('LRANGE', KEYS[2], tonumber(ARGV[5]), -1)) do
  redis.call('DEL', ARGV[4] .. old)
end
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[5]) - 1)
local next = tonumber(version) + 1
redis.call('HSET', KEYS[1], 'model', ARGV[1], 'version', next)
return {1, next}
"""


class RedisModels:
    """The model channel that production uses.

    Args:
        redis: a client that returns bytes and has a socket timeout.
        namespace: prefix of the keys; the braces keep them on one node of a Redis Cluster.
    """

    def __init__(self, redis: Client, namespace: str = "vigil") -> None:
        self._redis = redis
        self._champion = f"{{{namespace}:models}}:champion"
        self._recent = f"{{{namespace}:models}}:recent"
        self._bundle = f"{{{namespace}:models}}:bundle:"
        self._publish = redis.register_script(_PUBLISH)

    def champion(self) -> Champion | None:
        """See ``ModelChannel``."""
        with redis_errors():
            values: Any = self._redis.hmget(self._champion, ["model", "version"])
        model, version = values
        return None if model is None else Champion(model.decode(), int(version))

    def fetch(self, model_id: str) -> bytes | None:
        """See ``ModelChannel``."""
        with redis_errors():
            packed: Any = self._redis.get(self._bundle + model_id)
        return None if packed is None else bytes(packed)

    def publish(self, model_id: str, packed: bytes, expected_version: int) -> Champion:
        """See ``ModelChannel``."""
        with redis_errors():
            published, version = self._publish(
                keys=[self._champion, self._recent],
                args=[model_id, expected_version, packed, self._bundle, KEPT],
            )
        if not published:
            raise Superseded(f"version {version} is in force, not {expected_version}")
        return Champion(model_id, version)
