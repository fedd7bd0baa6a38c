"""States of stays in Redis: one hash per input partition, changed by one fenced script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from streamer.adapters.chunks import chunks
from streamer.ports.states import Fenced, Lease, StateWrite, StoreUnavailable

_EPOCH, _WATERMARK = b"__epoch__", b"__wm__"
_MODEL, _SWAPS, _LOG = b"__model__", b"__swaps__", b"__log__"
# Stays are kept apart from the five fields above, whatever a patient is called.
_STAY: Final = b"p:"

# Redis runs a script as a whole, so check and change are one step. A save whose answer was lost may
# be sent again: the watermark is already there then, and the same epoch proves that it is ours.
# `unpack` has a limit of some 8,000 values, hence the chunks.
_SAVE: Final = """
local have = redis.call('HMGET', KEYS[1], '__epoch__', '__wm__')
if have[1] ~= ARGV[1] then return 'epoch ' .. (have[1] or 'none') end
local watermark = have[2] or ''
if watermark ~= ARGV[2] and watermark ~= ARGV[3] then return 'watermark ' .. watermark end
local changed = tonumber(ARGV[7])
for i = 8, 7 + changed, 2000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 1999, 7 + changed)))
end
for i = 8 + changed, #ARGV, 2000 do
  redis.call('HDEL', KEYS[1], unpack(ARGV, i, math.min(i + 1999, #ARGV)))
end
redis.call('HSET', KEYS[1], '__wm__', ARGV[3], '__model__', ARGV[4], '__swaps__', ARGV[5],
  '__log__', ARGV[6])
return 'saved'
"""
# The first claim holds: the answer lists patients with another home partition, each followed by it.
_CLAIM: Final = """
local elsewhere = {}
for i = 2, #ARGV do
  if redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[1]) == 0 then
    local home = redis.call('HGET', KEYS[1], ARGV[i])
    if home ~= ARGV[1] then
      elsewhere[#elsewhere + 1] = ARGV[i]
      elsewhere[#elsewhere + 1] = home
    end
  end
end
return elsewhere
"""
# A patient keeps the home partition if it has a new owner, or if the patient has a new stay there.
_LEAVE: Final = """
if redis.call('HGET', KEYS[2], '__epoch__') ~= ARGV[1] then return end
for i = 3, #ARGV do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[2]
      and redis.call('HEXISTS', KEYS[2], 'p:' .. ARGV[i]) == 0 then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
"""
_PATIENTS_A_SCRIPT: Final = 2_000  # Redis serves nobody else while a script runs
# A batch of ordinary stays fits one round trip; both sides hold unanswered writes in memory.
_SENT_BYTES: Final = 32 * 1024 * 1024
_SCAN_COUNT: Final = 500  # stays a reply: a few MB, so that Redis serves others in between


class RedisStates:
    """The state store that production uses.

    Args:
        redis: a client that returns bytes and has a socket timeout.
        namespace: prefix of the keys; two services that share a Redis need different ones.
        topic: the input topic, part of the keys.
    """

    def __init__(self, redis: Redis, namespace: str, topic: str) -> None:
        self._redis = redis
        self._namespace = namespace
        self._topic = topic
        self._save = redis.register_script(_SAVE)
        self._claim = redis.register_script(_CLAIM)
        self._leave = redis.register_script(_LEAVE)

    def key(self, partition: int) -> str:
        """The key of a partition's hash; the braces keep it on one node of a Redis Cluster."""
        return f"{self._namespace}:states:{{{self._topic}/{partition}}}"

    def take(self, partition: int) -> Lease:
        """See ``StateStore``."""
        with redis_errors():
            pipe = self._redis.pipeline(transaction=True)
            pipe.hincrby(self.key(partition), _EPOCH.decode(), 1)
            pipe.hmget(self.key(partition), [_WATERMARK, _MODEL, _SWAPS, _LOG])
            epoch, (watermark, model, swaps, log) = pipe.execute()
        return Lease(
            epoch,
            None if watermark is None else int(watermark),
            None if model is None else model.decode(),
            int(swaps or 0),
            None if log is None else log.decode(),
        )

    def first_width(self, log_id: str, n_partitions: int) -> int:
        """See ``StateStore``."""
        key = f"{self._namespace}:partitions:{{{self._topic}}}"
        with redis_errors():
            pipe = self._redis.pipeline(transaction=True)
            pipe.hsetnx(key, log_id, str(n_partitions))
            pipe.hget(key, log_id)
            _, first = pipe.execute()
        return int(first)

    def claim_partition(
        self, log_id: str, partition: int, patients: Sequence[str]
    ) -> dict[str, int]:
        """See ``StateStore``."""
        elsewhere: dict[str, int] = {}
        with redis_errors():
            for encoded in _encoded(patients):
                answer: Any = self._claim(
                    keys=[self._home_partitions(log_id)], args=[partition, *encoded]
                )
                home_partitions = zip(answer[::2], answer[1::2], strict=True)
                elsewhere |= {patient.decode(): int(home) for patient, home in home_partitions}
        return elsewhere

    def pages(self, partition: int) -> Iterator[Mapping[str, bytes]]:
        """See ``StateStore``."""
        cursor = 0
        while True:
            with redis_errors():
                answer: Any = self._redis.hscan(self.key(partition), cursor, count=_SCAN_COUNT)
            cursor, contents = answer
            yield {
                field[len(_STAY) :].decode(): content
                for field, content in contents.items()
                if field.startswith(_STAY)
            }
            if cursor == 0:
                return

    def fetch(
        self, partition: int, epoch: int, watermark: int | None, patients: Sequence[str]
    ) -> dict[str, bytes]:
        """See ``StateStore``."""
        fields = [_EPOCH, _WATERMARK, *(_STAY + patient.encode() for patient in patients)]
        with redis_errors():
            answer: Any = self._redis.hmget(self.key(partition), fields)
        expected = [str(epoch).encode(), None if watermark is None else str(watermark).encode()]
        if answer[:2] != expected:
            raise Fenced(f"the state store has another owner: partition {partition}")
        stays = zip(patients, answer[2:], strict=True)
        return {patient: stay for patient, stay in stays if stay is not None}

    def save(self, changes: Sequence[StateWrite]) -> None:
        """See ``StateStore``."""
        answers: list[Any] = []
        for chunk in chunks(changes, _stay_bytes, _SENT_BYTES):
            with redis_errors():
                # EVALSHA in a pipeline needs a loaded script. The pipeline checks that before it
                # runs: cheap beside the writes, and right after a restart of Redis, too.
                pipe = self._redis.pipeline(transaction=False)
                for change in chunk:
                    keys = [self.key(change.partition)]
                    self._save(keys=keys, args=_arguments(change), client=pipe)
                answers += pipe.execute()
        refused = [
            f"partition {change.partition} ({answer.decode()})"
            for change, answer in zip(changes, answers, strict=True)
            if answer != b"saved"
        ]
        if refused:
            raise Fenced("the state store refused: " + ", ".join(refused))
        with redis_errors():
            for change in changes:
                keys = [self._home_partitions(change.log_id), self.key(change.partition)]
                for encoded in _encoded(change.removed):
                    self._leave(keys=keys, args=[change.epoch, change.partition, *encoded])

    def find(self, patient: str, partitions: Sequence[int]) -> tuple[int, bytes] | None:
        """See ``StateStore``."""
        with redis_errors():
            pipe = self._redis.pipeline(transaction=False)
            for partition in partitions:
                pipe.hget(self.key(partition), (_STAY + patient.encode()).decode())
            stays = zip(partitions, pipe.execute(), strict=True)
        return next(((partition, stay) for partition, stay in stays if stay is not None), None)

    def close(self) -> None:
        """See ``StateStore``."""
        self._redis.close()

    def _home_partitions(self, log_id: str) -> str:
        return f"{self._namespace}:homes:{{{self._topic}}}:{log_id}"


def _stay_bytes(change: StateWrite) -> int:
    return sum(map(len, change.changed.values()))


def _encoded(patients: Sequence[str]) -> Iterator[list[bytes]]:
    """Encodes patients, in lists short enough for one script each."""
    for begin in range(0, len(patients), _PATIENTS_A_SCRIPT):
        yield [patient.encode() for patient in patients[begin : begin + _PATIENTS_A_SCRIPT]]


def _arguments(change: StateWrite) -> list[bytes | str | int]:
    stays = chain.from_iterable(
        (_STAY + patient.encode(), content) for patient, content in change.changed.items()
    )
    return [
        change.epoch,
        "" if change.expected is None else change.expected,
        change.watermark,
        change.model_id,
        change.swaps,
        change.log_id,
        2 * len(change.changed),
        *stays,
        *(_STAY + patient.encode() for patient in change.removed),
    ]


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turns every error of the Redis client into ``StoreUnavailable``."""
    try:
        yield
    except RedisError as error:
        raise StoreUnavailable(f"Redis: {error or type(error).__name__}") from error
