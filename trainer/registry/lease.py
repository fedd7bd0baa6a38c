"""The trainer's lease in Redis: one trainer at a time.

The lease ends by itself, and its fence is a number that only rises.
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from streamer.adapters.redis.client import Client
from streamer.adapters.redis.errors import redis_errors

TTL_MS: Final = 60_000
"""A trainer that died blocks the others for a minute at most; a live one renews three times in
that time, so one lost answer costs nothing."""

RENEW_S: Final = TTL_MS / 3000

# The fence rises with each holder. A holder that slept past its lease finds a higher one.
_ACQUIRE: Final = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return redis.call('INCR', KEYS[2])
end
return 0
"""
_RENEW: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class Lease:
    """The right to train and publish.

    The lease keeps two trainers from doing the same work. The compare-and-set of the model channel,
    which needs no clock, keeps them from both publishing over the same champion.

    Args:
        redis: a client that returns bytes and has a socket timeout.
        namespace: prefix of the keys; the braces keep them on one node of a Redis Cluster.
        ttl_ms: milliseconds until a lease ends that is not renewed.

    Attributes:
        fence: this holder's number, 0 while the lease is not held.
    """

    def __init__(self, redis: Client, namespace: str = "vigil", ttl_ms: int = TTL_MS) -> None:
        self._keys = [f"{{{namespace}:trainer}}:lease", f"{{{namespace}:trainer}}:fence"]
        self._token = uuid.uuid4().hex
        self._ttl_ms = ttl_ms
        self._redis = redis
        self._acquire = redis.register_script(_ACQUIRE)
        self._renew = redis.register_script(_RENEW)
        self._release = redis.register_script(_RELEASE)
        self.fence = 0

    def acquire(self) -> bool:
        """Takes the lease if nobody holds it, and says whether it did.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        with redis_errors():
            self.fence = int(self._acquire(keys=self._keys, args=[self._token, self._ttl_ms]))
        return self.fence > 0

    def renew(self) -> bool:
        """Prolongs the lease; false if somebody else holds it by now, or nobody.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        with redis_errors():
            return bool(self._renew(keys=self._keys[:1], args=[self._token, self._ttl_ms]))

    def is_newest(self) -> bool:
        """Whether nobody else has held the lease since this holder took it.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        with redis_errors():
            fence: Any = self._redis.get(self._keys[1])
        return self.fence > 0 and int(fence or 0) == self.fence

    def release(self) -> None:
        """Gives the lease back, if it is still held.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        with redis_errors():
            self._release(keys=self._keys[:1], args=[self._token])
        self.fence = 0
