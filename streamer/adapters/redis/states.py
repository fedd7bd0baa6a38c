"""States of stays in Redis: one hash per input partition, changed by one fenced script.

Each script and each command names one key, so one class does for one server, Sentinel and Cluster.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from streamer.adapters.chunks import chunks
from streamer.adapters.redis import scripts
from streamer.adapters.redis.client import Client
from streamer.adapters.redis.errors import redis_errors
from streamer.adapters.redis.scripts import Call, Script
from streamer.ports.states import Fenced, HomesLost, Lease, StateWrite

_EPOCH, _WATERMARK = b"__epoch__", b"__wm__"
# Stays are kept apart from the fields of the partition, whatever a patient is called.
_STAY: Final = b"p:"

# Epochs are microseconds of the server's clock, so that they rise even after the hash was deleted
# or a promoted replica lacked the last one: home partitions outlive the hash.
_TAKE: Final = Script("""
local now = redis.call('TIME')
local clock = now[1] * 1000000 + now[2]
local epoch = math.max(tonumber(redis.call('HGET', KEYS[1], '__epoch__') or '0') + 1, clock)
redis.call('HSET', KEYS[1], '__epoch__', string.format('%d', epoch))
return redis.call('HMGET', KEYS[1], '__epoch__', '__wm__', '__model__', '__swaps__', '__log__')
""")
# Redis runs a script as a whole, so check and change are one step. A save whose answer was lost may
# be sent again: the watermark is already there then, and the same epoch proves that it is ours.
# `unpack` has a limit of some 8,000 values, hence the chunks.
_SAVE: Final = Script("""
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
redis.call('HSET', KEYS[1], '__model__', ARGV[4], '__swaps__', ARGV[5], '__log__', ARGV[6])
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], '__wm__')
else redis.call('HSET', KEYS[1], '__wm__', ARGV[3]) end
return 'saved'
""")
# A home is `PARTITION EPOCH`. The first claim holds, and a later owner of the same partition raises
# its epoch. Patients come in pairs with their home of the form before, or an empty text. A new one
# gets none in a hash that may have lost some. The answer lists patients with another home
# partition, each followed by it.
_CLAIM: Final = Script("""
local elsewhere = {}
local is_closed = ARGV[3] ~= '' and not redis.call('HGET', KEYS[1], ARGV[3])
for i = 4, #ARGV, 2 do
  local home = redis.call('HGET', KEYS[1], ARGV[i])
  if not home and ARGV[i + 1] ~= '' then home = ARGV[i + 1] .. ' 0' end
  if not home and is_closed then return 'lost' end
  local partition, epoch = string.match(home or '', '^(%d+) (%d+)$')
  if not partition or partition == ARGV[1] then
    if tonumber(epoch or '-1') < tonumber(ARGV[2]) then
      redis.call('HSET', KEYS[1], ARGV[i], ARGV[1] .. ' ' .. ARGV[2])
    end
  else
    elsewhere[#elsewhere + 1] = ARGV[i]
    elsewhere[#elsewhere + 1] = partition
  end
end
return elsewhere
""")
_COMPLETE: Final = Script("return redis.call('HSET', KEYS[1], ARGV[1], '1')")
# In each hash of homes, as a Cluster may lose some of them. No patient id has a control character.
_IS_COMPLETE: Final = b"\0complete"
# A patient keeps the home partition if a later owner of the partition has claimed it since.
_LEAVE: Final = Script("""
for i = 3, #ARGV do
  local home = redis.call('HGET', KEYS[1], ARGV[i])
  local partition, epoch = string.match(home or '', '^(%d+) (%d+)$')
  if partition == ARGV[1] and tonumber(epoch) <= tonumber(ARGV[2]) then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
""")
_PATIENTS_A_SCRIPT: Final = 2_000  # Redis serves nobody else while a script runs
# One hash for all patients of a topic would be one hot key for all workers of a Cluster.
_HOME_HASHES: Final = 64
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

    def __init__(self, redis: Client, namespace: str, topic: str) -> None:
        self._redis = redis
        self._namespace = namespace
        self._topic = topic

    def key(self, partition: int) -> str:
        """The key of a partition's hash; the braces keep it on one node of a Redis Cluster."""
        return f"{self._namespace}:states:{{{self._topic}/{partition}}}"

    def take(self, partition: int) -> Lease:
        """See ``StateStore``."""
        with redis_errors():
            ((epoch, watermark, model, swaps, log),) = scripts.run(
                self._redis, _TAKE, [Call(self.key(partition), ())]
            )
        return Lease(
            int(epoch),
            None if watermark is None else int(watermark),
            None if model is None else model.decode(),
            int(swaps or 0),
            None if log is None else log.decode(),
        )

    def first_width(self, log_id: str, n_partitions: int) -> int:
        """See ``StateStore``."""
        key = f"{self._namespace}:partitions:{{{self._topic}}}"
        with redis_errors():
            self._redis.hsetnx(key, log_id, str(n_partitions))
            first: Any = self._redis.hget(key, log_id)
        return int(first)

    def claim_partition(
        self,
        log_id: str,
        partition: int,
        epoch: int,
        patients: Sequence[str],
        *,
        are_new: bool = False,
    ) -> dict[str, int]:
        """See ``StateStore``."""
        encoded = [patient.encode() for patient in patients]
        calls: list[Call] = []
        elsewhere: dict[str, int] = {}
        with redis_errors():
            former = self._former_homes(log_id, encoded)
            for key, bucket in self._home_hashes(log_id, encoded):
                pairs = chain.from_iterable((name, former.get(name, b"")) for name in bucket)
                needed = _IS_COMPLETE if are_new else b""
                calls.append(Call(key, (partition, epoch, needed, *pairs)))
            answers = scripts.run(self._redis, _CLAIM, calls)
            if b"lost" in answers:
                raise HomesLost("the state store may lack home partitions")
            for answer in answers:
                homes = zip(answer[::2], answer[1::2], strict=True)
                elsewhere |= {patient.decode(): int(home) for patient, home in homes}
        return elsewhere

    def complete_homes(self, log_id: str) -> None:
        """See ``StateStore``."""
        keys = [self._home_hash(log_id, number) for number in range(_HOME_HASHES)]
        with redis_errors():
            scripts.run(self._redis, _COMPLETE, [Call(key, (_IS_COMPLETE,)) for key in keys])

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
            calls = [Call(self.key(change.partition), _arguments(change)) for change in chunk]
            with redis_errors():
                answers += scripts.run(self._redis, _SAVE, calls)
        refused = [
            f"partition {change.partition} ({answer.decode()})"
            for change, answer in zip(changes, answers, strict=True)
            if answer != b"saved"
        ]
        if refused:
            raise Fenced("the state store refused: " + ", ".join(refused))
        self._leave(changes)

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

    def _leave(self, changes: Sequence[StateWrite]) -> None:
        """Ends the homes of patients who have left and have not come back in a later change."""
        leaving: dict[tuple[str, int, int], dict[str, None]] = {}
        for change in changes:
            gone = leaving.setdefault((change.log_id, change.partition, change.epoch), {})
            for patient in change.changed:
                gone.pop(patient, None)
            gone |= dict.fromkeys(change.removed)
        calls: list[Call] = []
        with redis_errors():
            for (log_id, partition, epoch), patients in leaving.items():
                encoded = [patient.encode() for patient in patients]
                former = self._former_homes(log_id, encoded)
                own = [name for name, home in former.items() if int(home) == partition]
                if own:
                    self._redis.hdel(self._former_hash(log_id), *own)
                for key, bucket in self._home_hashes(log_id, encoded):
                    calls.append(Call(key, (partition, epoch, *bucket)))
            scripts.run(self._redis, _LEAVE, calls)

    def _home_hashes(
        self, log_id: str, patients: Sequence[bytes]
    ) -> Iterator[tuple[str, list[bytes]]]:
        """The hash of each patient's home and its patients, in lists short enough for a script."""
        by_hash: dict[int, list[bytes]] = {}
        for patient in patients:
            by_hash.setdefault(zlib.crc32(patient) % _HOME_HASHES, []).append(patient)
        for number, bucket in by_hash.items():
            key = self._home_hash(log_id, number)
            for begin in range(0, len(bucket), _PATIENTS_A_SCRIPT):
                yield key, bucket[begin : begin + _PATIENTS_A_SCRIPT]

    def _home_hash(self, log_id: str, number: int) -> str:
        return f"{self._namespace}:homes:{{{self._topic}/h{number}}}:{log_id}"

    def _former_hash(self, log_id: str) -> str:
        """The one hash of all homes of builds of form 2; the version after this forgets it."""
        return f"{self._namespace}:homes:{{{self._topic}}}:{log_id}"

    def _former_homes(self, log_id: str, patients: Sequence[bytes]) -> dict[bytes, bytes]:
        homes: dict[bytes, bytes] = {}
        for begin in range(0, len(patients), _PATIENTS_A_SCRIPT):
            names = patients[begin : begin + _PATIENTS_A_SCRIPT]
            answer: Any = self._redis.hmget(self._former_hash(log_id), list(names))
            homes |= {
                name: home for name, home in zip(names, answer, strict=True) if home is not None
            }
        return homes


def _stay_bytes(change: StateWrite) -> int:
    return sum(map(len, change.changed.values()))


def _arguments(change: StateWrite) -> list[bytes | str | int]:
    stays = chain.from_iterable(
        (_STAY + patient.encode(), content) for patient, content in change.changed.items()
    )
    return [
        change.epoch,
        "" if change.expected is None else change.expected,
        "" if change.watermark is None else change.watermark,
        change.model_id,
        change.swaps,
        change.log_id,
        2 * len(change.changed),
        *stays,
        *(_STAY + patient.encode() for patient in change.removed),
    ]
