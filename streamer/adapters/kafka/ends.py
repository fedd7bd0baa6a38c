"""Ends of the partitions that are read, and the offsets that are left up to them."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Collection, Mapping
from typing import Final

from kafka import KafkaConsumer, TopicPartition

from streamer.adapters.kafka.errors import NO_ANSWER

_LOOK_S: Final = 1.0  # a lookup per partition; metrics are scraped every few seconds
_ASK_S: Final = 5.0  # the ends of paused partitions need a request
_ASK_MS: Final = 200  # the others wait for it


class Ends:
    """The furthest end that was seen of each partition.

    A fetch from before a new start may have had an older end than one that is known already.
    """

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}
        self._looked_at = self._asked_at = -math.inf

    def forget(self, partition: int) -> None:
        """Forgets a partition that is not read any more."""
        self._ends.pop(partition, None)

    def left(
        self, consumer: KafkaConsumer, positions: Mapping[TopicPartition, int]
    ) -> dict[int, int]:
        """Returns the offsets that are left to be read, by partition; empty but once a second.

        Args:
            consumer: its fetches have brought the ends; those of paused partitions are asked for.
            positions: the next offset of each partition that is read.
        """
        now = time.monotonic()
        if now - self._looked_at < _LOOK_S:
            return {}
        self._looked_at = now
        self._ask(consumer, consumer.paused() & positions.keys())
        left = {}
        for tp, position in positions.items():
            with contextlib.suppress(*NO_ANSWER):  # revoked since the poll
                self._note(tp.partition, consumer.highwater(tp))
            if tp.partition in self._ends:
                left[tp.partition] = max(0, self._ends[tp.partition] - position)
        return left

    def _ask(self, consumer: KafkaConsumer, paused: Collection[TopicPartition]) -> None:
        """Asks for the ends of partitions that are not read, so that their lag is seen to rise."""
        now = time.monotonic()
        if now - self._asked_at < _ASK_S:
            return
        self._asked_at = now
        with contextlib.suppress(*NO_ANSWER):
            ends = consumer.end_offsets(paused, _ASK_MS) if paused else {}
            for tp, end in ends.items():
                self._note(tp.partition, end)

    def _note(self, partition: int, end: int | None) -> None:
        if end is not None:
            self._ends[partition] = max(end, self._ends.get(partition, 0))
