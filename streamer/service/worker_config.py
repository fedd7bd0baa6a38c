"""Settings of a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamer.core.responses import DEFAULT_POLICY, ResponsePolicy
from streamer.service.batch import Topics


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Settings of a worker.

    Attributes:
        topics: names of the topics.
        interval_ms: evaluation interval, in event time; 0 evaluates every event.
        future_limit_ms: how far an event may be ahead of its record; ``None``: not checked.
        rebuild_ms: how far back states are rebuilt that cannot be restored, by record timestamps;
            see ``takeover.REBUILD_MS``.
        max_stays: most stays in memory between two batches; 0 for no bound.
        save_s: seconds after which changed states are saved; 0 for with each batch.
        forecast: whether risk messages come with a forecast of vital signs.
        states_s: seconds within which changed stays go to the topic of states; 0 for never.
        max_patients_a_day: most patients of a partition on a day; 0 for no bound.
        responses: how long people have to respond to an alert.
        action_key: returns the key that actions are signed with; empty: they need no signature.
        written_format: the form in which stays are stored; ``None``: the newest.
    """

    topics: Topics
    interval_ms: int
    future_limit_ms: int | None
    rebuild_ms: int
    max_stays: int
    save_s: float
    forecast: bool = False
    states_s: float = 0
    max_patients_a_day: int = 0
    responses: ResponsePolicy = DEFAULT_POLICY
    action_key: Callable[[], str] = str
    written_format: int | None = None
