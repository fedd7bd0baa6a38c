"""Assignment of the whole consumer group, as its coordinator reports it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Final

from streamer.adapters.kafka.client_fixes import TidyAdmin
from streamer.adapters.kafka.errors import NO_ANSWER
from streamer.adapters.kafka.options import KafkaOptions

_ANSWER_MS: Final = 2_000


def has_all_partitions(options: KafkaOptions, wanted: Collection[int]) -> bool:
    """Whether the group's members have all partitions of the input; false if nobody answers.

    Args:
        options: name the group and the topic.
        wanted: the partitions of the topic.
    """
    group = options.group_id
    with contextlib.suppress(*NO_ANSWER):
        admin = TidyAdmin(**options.connection, bootstrap_timeout_ms=_ANSWER_MS)
        with contextlib.closing(admin):
            members = admin.describe_groups([group])[group]["members"]
        assigned = {
            number
            for member in members
            for of_topic in (member["member_assignment"] or {}).get("assigned_partitions", ())
            if of_topic["topic"] == options.topic
            for number in of_topic["partitions"]
        }
        return bool(wanted) and assigned == set(wanted)
    return False
