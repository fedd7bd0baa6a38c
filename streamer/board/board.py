"""The board's memory: the ward, its cards as JSON, and what changed since the last look.

It lives in the thread of the web server alone. Cards are rendered once, whoever looks.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal, NamedTuple

import orjson

from streamer.board.api import Card, Counts, Limits, System
from streamer.board.cards import card, is_on_ward
from streamer.board.messages import AlertMessage, RiskMessage, StayMessage
from streamer.board.posted import Posted
from streamer.board.system import SystemWatch
from streamer.board.ward_fold import WardFold
from streamer.core.time import rfc3339, rfc3339_or_none
from streamer.service.model_facts import ModelFacts


class Tombstone(NamedTuple):
    """The stay of a patient was let go."""

    patient: str


Change = AlertMessage | RiskMessage | StayMessage | Tombstone


class Audience(NamedTuple):
    """Who looks at what: the wards that may be seen (``None``: all), and the one that is chosen."""

    wards: frozenset[str] | None = None
    ward: str | None = None

    def sees(self, ward: str | None) -> bool:
        """Whether cards of a ward are shown."""
        allowed = self.wards is None or ward in self.wards
        return allowed and (self.ward is None or ward == self.ward)


@dataclass(frozen=True, slots=True)
class BoardConfig:
    """How the board shows the ward; see the settings of the same names."""

    clock: Literal["wall", "log"]
    zone: str
    auth: Literal["session", "proxy", "none"]
    stale_minutes: int
    privacy: bool
    sound: bool
    limits: Limits
    interval_ms: int = 60_000


class Shown(NamedTuple):
    """A card as it was last rendered."""

    card: Card
    json: bytes


class Board:
    """The ward in memory.

    Attributes:
        boot: an id of this process: after another one, a page forgets what it knew.
        seq: number of changes that were published.
        watch: whether the board can be believed.
        is_loaded: whether the topics were read to their end once.
        has_history: whether the state store answered last.
        posted: actions that wait for their phase.
        version: of this program.
    """

    def __init__(self, config: BoardConfig, wall_ms: Callable[[], int]) -> None:
        self.config = config
        self.boot = uuid.uuid4().hex
        self.seq = 0
        self.fold = WardFold()
        self.watch = SystemWatch(interval_ms=config.interval_ms)
        self.is_loaded = False
        self.has_history = True
        self.wall_ms = wall_ms
        self._shown: dict[str, Shown] = {}
        self._outcomes: dict[str, str] = {}  # by model
        self.posted = Posted()
        self.version = version("vigil-icu")

    @property
    def now_ms(self) -> int:
        """The board's time, epoch milliseconds: of the wall, or of the newest risk."""
        if self.config.clock == "log" and self.fold.newest_risk_ms is not None:
            return self.fold.newest_risk_ms
        return self.wall_ms()

    def replace(self, fold: WardFold) -> None:
        """Takes a ward that was read from the beginning."""
        fold.thresholds = self.fold.thresholds | fold.thresholds
        fold.changed |= fold.patients.keys() | self._shown.keys()
        self.fold, self.is_loaded = fold, True

    def apply(self, changes: Iterable[Change]) -> None:
        """Folds the messages that followed."""
        for change in changes:
            if isinstance(change, Tombstone):
                self.fold.remove(change.patient)
            else:
                self.fold.add(change)
                if isinstance(change, AlertMessage) and change.action_id is not None:
                    self.posted.answered(change.action_id)

    def publish(self) -> list[str]:
        """Renders the cards that changed; returns their patients, also of those that are gone."""
        changed, self.fold.changed = self.fold.changed, set()
        self.fold.is_urgent = False
        different = [patient for patient in changed if self._render(patient)]
        self.seq += bool(different)
        return different

    def note_facts(self, model: str, facts: ModelFacts) -> None:
        """Notes what the risks of a model are of, and above which one alerts start."""
        if facts.outcome is not None:
            self._outcomes[model] = facts.outcome
        threshold = facts.alert_threshold
        if threshold is not None and self.fold.thresholds.get(model) != threshold:
            self.fold.thresholds[model] = threshold
            self.fold.changed |= self._shown.keys()

    def let_time_pass(self) -> None:
        """Marks the cards that change by time alone: deadlines, the ends of pauses, departures."""
        now_ms, thresholds = self.now_ms, self.fold.thresholds
        for patient, bedside in self.fold.patients.items():
            shown = self._shown.get(patient)
            if is_on_ward(bedside, now_ms) != (shown is not None) or (
                shown is not None
                and _by_time(shown.card) != _by_time(card(bedside, now_ms, thresholds))
            ):
                self.fold.changed.add(patient)

    def card_of(self, patient: str, audience: Audience) -> Shown | None:
        """Returns a patient's card; ``None`` where there is none, or it is of another ward."""
        shown = self._shown.get(patient)
        return shown if shown is not None and audience.sees(shown.card["ward"]) else None

    def cards(self, audience: Audience) -> list[Shown]:
        """Returns the cards of an audience, in the order of wards and beds."""
        chosen = [shown for shown in self._shown.values() if audience.sees(shown.card["ward"])]
        chosen.sort(key=_bed_order)
        return chosen

    def wards(self, audience: Audience) -> list[str]:
        """Returns the wards that an audience may choose from."""
        everything = Audience(audience.wards)
        return sorted({s.card["ward"] for s in self.cards(everything) if s.card["ward"]})

    def snapshot(self, audience: Audience) -> bytes:
        """Returns the answer of `/api/board`."""
        return orjson.dumps(
            {
                "boot": self.boot,
                "seq": self.seq,
                "time": rfc3339(self.wall_ms()),
                "system": self.system(audience),
                "wards": self.wards(audience),
                "cards": [orjson.Fragment(shown.json) for shown in self.cards(audience)],
            }
        )

    def system(self, audience: Audience) -> System:
        """Returns whether the board can be believed, and the counts of an audience."""
        watch, config, log_ms = self.watch, self.config, self.fold.newest_risk_ms
        return {
            "time": rfc3339(self.wall_ms()),
            "clock": config.clock,
            "log_time": rfc3339_or_none(log_ms),
            "kafka": "ok" if watch.kafka_since_ms is None else "away",
            "kafka_since": rfc3339_or_none(watch.kafka_since_ms),
            "scoring": "ok" if watch.scoring_since_ms is None else "stopped",
            "scoring_since": rfc3339_or_none(watch.scoring_since_ms),
            "feed": "ok" if watch.feed_since_ms is None else "silent",
            "feed_since": rfc3339_or_none(watch.feed_since_ms),
            "history": "ok" if self.has_history else "away",
            "model": self.fold.model,
            "outcome": self._outcomes.get(self.fold.model or ""),
            "zone": config.zone,
            "auth": config.auth,
            "stale_minutes": config.stale_minutes,
            "privacy": config.privacy,
            "sound": config.sound,
            "counts": self._counts(audience),
            "version": self.version,
            "settings": config.limits,
        }

    def _counts(self, audience: Audience) -> Counts:
        counts: Counts = {"beds": 0, "high": 0, "medium": 0, "overdue": 0}
        for shown in self._shown.values():
            if audience.sees(shown.card["ward"]):
                counts["beds"] += 1
                alert = shown.card["alert"]
                if alert is not None and shown.card["state"] == "open":
                    counts["high" if alert["severity"] == "high" else "medium"] += 1
                    counts["overdue"] += alert["overdue"]
        return counts

    def _render(self, patient: str) -> bool:
        """Renders a card anew; returns whether it is another one."""
        bedside, before = self.fold.patients.get(patient), self._shown.get(patient)
        if bedside is None or not is_on_ward(bedside, self.now_ms):
            self._shown.pop(patient, None)
            return before is not None
        rendered = card(bedside, self.now_ms, self.fold.thresholds)
        self._shown[patient] = shown = Shown(rendered, orjson.dumps(rendered))
        return before is None or before.json != shown.json


def _by_time(shown: Card) -> tuple[object, ...]:
    alert = shown["alert"]
    return shown["state"], alert is not None and alert["overdue"], shown["paused"]


def _bed_order(shown: Shown) -> tuple[str, bool, int, str, str]:
    """Bed 2 before bed 10; patients without a bed come last."""
    bed = shown.card["bed"] or ""
    digits = "".join(filter(str.isdigit, bed))
    number = int(digits[:9]) if digits else 0
    return shown.card["ward"] or "", not bed, number, bed, shown.card["patient"]
