"""People: they answer the alerts that they see, some twice, some what cannot be done."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections import Counter, deque
from typing import Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

from bench.chaos.lane import Lane, deck
from bench.chaos.tally import Tally
from bench.independent_oracle.ledger import HOUR_MS, epoch_ms
from bench.reading import Tail, read_topic
from streamer.core.actions import PAUSE_REASONS, ActionKind
from streamer.core.alert_messages import Content
from streamer.service.settings import Settings

KINDS: Final = ("alerts answered",)
_REMEMBERED: Final = 200  # alerts on which something may still be done
_AT_ONCE: Final = 12
_TWICE: Final = 0.3
_ACKNOWLEDGE_TIMEOUT_S: Final = 20.0


class PeopleLane(Lane):
    """Answers alerts as the board does: records on the input topic, acknowledged by all replicas.

    Attributes:
        acknowledged: ids of the actions that the broker has said it has: each must have one phase.
    """

    def __init__(self, seed: int, settings: Settings, tally: Tally) -> None:
        super().__init__("people", seed, deck(seed, "people", KINDS), (0.5, 3.0), tally)
        self.acknowledged: set[str] = set()
        self._settings = settings
        self._alerts: deque[Content] = deque(maxlen=_REMEMBERED)
        self._tail: Tail | None = None
        self._producer: KafkaProducer | None = None

    def strike(self, kind: str) -> str | None:
        """See ``Lane``."""
        with contextlib.suppress(KafkaError):
            if self._tail is None or self._producer is None:
                self._tail = Tail(self._settings, self._settings.topic_alerts)
                self._producer = KafkaProducer(
                    **self._settings.kafka_connection(), acks="all", linger_ms=0,
                    reconnect_backoff_max_ms=500,
                )  # fmt: skip
            seen = [json.loads(record.value) for record in self._tail.poll()]
            self._alerts += [alert for alert in seen if alert.get("revision")]
        if not self._alerts:
            return None
        for _ in range(self.draws.randint(1, _AT_ONCE)):
            self._answer(self.draws.choice(self._alerts))
        return kind

    def close(self) -> None:
        """Closes the connections."""
        for client in filter(None, (self._tail, self._producer)):
            client.close()

    def _answer(self, alert: Content) -> None:
        action = str(uuid.UUID(int=self.draws.getrandbits(128), version=4))
        kind = self.draws.choice(list(ActionKind))
        lasts = kind in (ActionKind.SNOOZE, ActionKind.PAUSE)
        seen_ms = (epoch_ms(alert["time"]) or 0) + self.draws.randrange(2 * HOUR_MS)
        content = {
            "type": "action", "action": kind, "action_id": action,
            "patient_id": alert["patient_id"], "time": seen_ms,
            "alert_id": alert["alert_id"] + "9" * (self.draws.random() < 0.05),
            "revision": max(1, alert["revision"] - (self.draws.random() < 0.2)),
            "minutes": self.draws.choice((5, 15, 30, 60, 600)) if lasts else None,
            "reason": self.draws.choice(PAUSE_REASONS),
            "verdict": self.draws.choice(("true", "false", "unsure")),
            "actor": {"user": self.draws.choice(("a.nurse", "b.nurse"))},
        }  # fmt: skip
        value = json.dumps({name: v for name, v in content.items() if v is not None}).encode()
        assert self._producer is not None
        with contextlib.suppress(KafkaError):
            for _ in range(1 + (self.draws.random() < _TWICE)):
                self._producer.send(
                    self._settings.topic_vitals, value, str(alert["patient_id"]).encode(),
                    partition=alert["partition"], timestamp_ms=seen_ms,
                ).get(timeout=_ACKNOWLEDGE_TIMEOUT_S)  # fmt: skip
                self.acknowledged.add(action)


def wrong_answers(settings: Settings, acknowledged: set[str]) -> list[str]:
    """Which actions have not the one phase that they must have, as sentences."""
    phases: Counter[str] = Counter()
    for record in read_topic(settings, settings.topic_alerts):
        if action := json.loads(record.value).get("action_id"):
            phases[action] += 1
    mute = [f"action {action} has no phase" for action in sorted(acknowledged - phases.keys())]
    return mute + [f"action {action} has {n} phases" for action, n in phases.items() if n > 1]
