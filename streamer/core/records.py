"""Records of the log as columns: a batch is a few arrays and lists, without an object a record."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, compress
from typing import NamedTuple, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

Origin: TypeAlias = tuple[int, int, int, bytes | None, bytes | None]
"""Partition, offset, timestamp in epoch milliseconds, key and traceparent of a record."""


class Record(NamedTuple):
    """One record of the log, as far as scoring needs it."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    traceparent: bytes | None = None
    replayed_of: bytes | None = None  # where a re-entered record came in for the first time
    action_mac: bytes | None = None  # signature of an action

    @property
    def origin(self) -> Origin:
        """What the headers of a message say of it."""
        return self.partition, self.offset, self.timestamp_ms, self.key, self.traceparent


@dataclass(frozen=True, slots=True, eq=False)
class Records(Sequence[Record]):
    """Records in the order of the log within each partition, ``n`` of them.

    >>> records = Records.of([Record(0, 7, 1_000, b"p1", b"{}"), Record(2, 9, 2_000, b"p2", None)])
    >>> records.offset.tolist(), records[1].key, len(records.of_partitions({0}))
    ([7, 9], b'p2', 1)

    Attributes:
        partition: ``(n,)``.
        offset: ``(n,)``.
        timestamp_ms: ``(n,)`` epoch milliseconds.
        keys: ``n`` keys.
        values: ``n`` values.
        traceparents: ``n`` headers of that name, the last one of each record.
        replayed_of: the same; where a re-entered record came in for the first time.
        action_macs: the same; the signature of an action.
        unreadable: why there is no record at an index, but bytes that could not be read as one, or
            as several up to its offset; these are its value. It has no key, so it is no event.
    """

    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    timestamp_ms: NDArray[np.int64]
    keys: list[bytes | None]
    values: list[bytes | None]
    traceparents: list[bytes | None]
    replayed_of: list[bytes | None]
    action_macs: list[bytes | None]
    unreadable: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[Record] = ()) -> Records:
        """Turns records into columns; columns stay as they are."""
        if isinstance(records, Records):
            return records
        columns: list[list[object]] = [list(column) for column in zip(*records, strict=True)]
        partition, offset, timestamp_ms, *rest = columns or [[] for _ in Record._fields]
        return cls(
            np.array(partition, np.int32),
            np.array(offset, np.int64),
            np.array(timestamp_ms, np.int64),
            *rest,  # type: ignore[arg-type]  # `zip` does not know the types of the fields
        )

    @classmethod
    def joined(cls, parts: Sequence[Records]) -> Records:
        """Puts parts together, in their order."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.of()
        starts = accumulate(map(len, parts), initial=0)
        return cls(
            np.concatenate([part.partition for part in parts]),
            np.concatenate([part.offset for part in parts]),
            np.concatenate([part.timestamp_ms for part in parts]),
            list(chain.from_iterable(part.keys for part in parts)),
            list(chain.from_iterable(part.values for part in parts)),
            list(chain.from_iterable(part.traceparents for part in parts)),
            list(chain.from_iterable(part.replayed_of for part in parts)),
            list(chain.from_iterable(part.action_macs for part in parts)),
            {
                start + index: why
                for start, part in zip(starts, parts, strict=False)
                for index, why in part.unreadable.items()
            },
        )

    def of_partitions(self, numbers: Collection[int]) -> Records:
        """Returns the records of some partitions, in the same order."""
        return self._where(np.isin(self.partition, list(numbers)))

    def before(self, stops: Mapping[int, int]) -> Records:
        """Returns the records without those of a partition from its stop, an offset, on."""
        kept = np.ones(len(self), np.bool_)
        for number, stop in stops.items():
            kept &= (self.partition != number) | (self.offset < stop)
        return self._where(kept)

    def since(self, number: int, firsts: Mapping[bytes | None, int], others: int) -> Records:
        """Returns the records without those of a partition before the first offset of their key.

        Args:
            number: the partition.
            firsts: the first offset of each key that is known.
            others: that of all other keys.
        """
        of_partition = np.flatnonzero(self.partition == number).tolist()
        offsets, kept = self.offset.tolist(), np.ones(len(self), np.bool_)
        first_of, keys = firsts.get, self.keys
        kept[[i for i in of_partition if offsets[i] < first_of(keys[i], others)]] = False
        return self._where(kept)

    def origins(self, indices: Sequence[int]) -> list[Origin]:
        """Returns what the headers of messages say of the records at some indices."""
        chosen = np.asarray(indices, np.intp)
        return list(
            zip(
                self.partition[chosen].tolist(),
                self.offset[chosen].tolist(),
                self.timestamp_ms[chosen].tolist(),
                map(self.keys.__getitem__, indices),
                map(self.traceparents.__getitem__, indices),
                strict=True,
            )
        )

    def last_ms(self) -> dict[int, int]:
        """Returns the timestamp of the last record of each partition."""
        ends = np.append(self.partition[1:] != self.partition[:-1], True)[: len(self)]
        return dict(
            zip(self.partition[ends].tolist(), self.timestamp_ms[ends].tolist(), strict=True)
        )

    def _where(self, kept: NDArray[np.bool_]) -> Records:
        if kept.all():
            return self
        chosen = kept.tolist()
        return Records(
            self.partition[kept],
            self.offset[kept],
            self.timestamp_ms[kept],
            list(compress(self.keys, chosen)),
            list(compress(self.values, chosen)),
            list(compress(self.traceparents, chosen)),
            list(compress(self.replayed_of, chosen)),
            list(compress(self.action_macs, chosen)),
            {int(kept[:i].sum()): why for i, why in self.unreadable.items() if kept[i]},
        )

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Record]:
        return map(
            Record,
            self.partition.tolist(),
            self.offset.tolist(),
            self.timestamp_ms.tolist(),
            self.keys,
            self.values,
            self.traceparents,
            self.replayed_of,
            self.action_macs,
        )

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: int | slice) -> Record | Records:
        if isinstance(index, slice):
            chosen = range(*index.indices(len(self)))
            return Records(
                self.partition[index],
                self.offset[index],
                self.timestamp_ms[index],
                self.keys[index],
                self.values[index],
                self.traceparents[index],
                self.replayed_of[index],
                self.action_macs[index],
                {chosen.index(i): why for i, why in self.unreadable.items() if i in chosen},
            )
        return Record(
            self.partition.item(index),
            self.offset.item(index),
            self.timestamp_ms.item(index),
            self.keys[index],
            self.values[index],
            self.traceparents[index],
            self.replayed_of[index],
            self.action_macs[index],
        )
