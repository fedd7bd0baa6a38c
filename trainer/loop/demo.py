"""The acts of `trainer demo`, each with its lines; Kafka, Redis and the services run already."""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from streamer.adapters.kafka.read import follow
from streamer.adapters.redis.client import connect
from streamer.adapters.redis.models import RedisModels
from streamer.bundles.acceptance import Trust
from streamer.bundles.bundle import short
from streamer.cli.progress import Report
from streamer.core.alert_messages import Content
from streamer.core.time import HOUR_MS, rfc3339
from streamer.feeds.message import Message
from streamer.feeds.publish import publish
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics, wanted
from streamer.sim.scenario import Scenario
from streamer.sim.ward import ward
from trainer.archive.cohort import read_archive
from trainer.archive.delta_table import ArchiveTable, NoTable
from trainer.archive.fold import fold
from trainer.archive.schemas import EVENTS, OUTCOMES, TableSpec
from trainer.archive.source import SCHEME, ArchiveSource
from trainer.data.split import side_of
from trainer.loop.child_process import LOG, Limits, default_threads, last_line
from trainer.loop.plan import Plan
from trainer.loop.promoting import note_promoted, refuse_closed
from trainer.loop.record import CandidateResult, Records, RunRecord
from trainer.loop.runs import Retraining
from trainer.progress import Reporter
from trainer.registry import policy as policies
from trainer.registry import publishing
from trainer.registry.lease import Lease
from trainer.registry.registry import Registry
from trainer.settings import TrainerSettings

_DAYS_AGO: Final = 20  # the past ends before the live ward begins, which works off two weeks
_LIVE_DAYS: Final = 15  # younger alerts are the live ward's
_STAY_HOURS: Final = 58.0  # of a bed, with the time that it stands empty
LIVE_SEPTIC: Final = 0.6
"""Share of the ward's stays that become septic: in minutes nobody waits for one in fourteen."""

_PAST_SEPTIC: Final = 0.4
"""The same of past stays. With more, onset is so near in every hour that a model that is calibrated
on them calls each hour positive, and no service takes it."""
_PATIENCE_S: Final = 120.0
_PERSON: Final = "the demo"
_SHOWN: Final = 160  # characters of a reason: `trainer runs show` has all of it


@dataclass(frozen=True, slots=True)
class Stage:
    """What the acts share.

    Attributes:
        folder: of everything that is written.
        stays: how many past stays, some.
        seed: of the wards.
        policy: text of the policy file.
        knobs: of the fits.
        tell: prints a line.
        stop: set when the demo is to end.
    """

    folder: Path
    stays: int
    seed: int
    policy: str
    knobs: Sequence[str]
    tell: Callable[[str], None]
    stop: threading.Event


class Stopped(OSError):
    """Ctrl-C, or a service that failed."""


class Acts:
    """One method an act; call them in order."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._settings = Settings()
        _ensure_topics_without_end(self._settings)
        self._archive = stage.folder / "archive"
        self.registry = Registry(
            stage.folder / "registry",
            Trust(allow_unsigned=True),
            audit_file=stage.folder / "audit.jsonl",
        )
        self.registry.folder.mkdir(parents=True)
        (self.registry.folder / policies.FILE).write_text(stage.policy)
        policies.accept(self.registry.folder, _PERSON)
        client = connect(TrainerSettings().redis)
        self._channel = RedisModels(client)
        limits = Limits(1.0, 4, "normal")  # in minutes, whatever else this machine does
        plan = Plan([f"{SCHEME}{self._archive}"], stage.knobs, default_threads(), limits, 0)
        self._retraining = Retraining(plan, self.registry, self._channel, Lease(client), stage.stop)
        self._alerts = _Alerts(self._settings, stage.tell)
        self._reporter = Reporter()
        self.went_well = True

    def past(self) -> None:
        """Past stays and what became of them, into the topics and the archive."""
        tell, scenario = self._stage.tell, self._past_ward()
        tell("past stays: what streamed by, and what became of each, goes into the archive")
        messages = list(ward(scenario))
        counts = Counter(message.topic for message in messages)
        self._send(messages)
        tell(f"sent {counts['vitals']:,} events and {counts['outcomes']:,} outcomes")
        self._until_archived(EVENTS, counts["vitals"])
        self._until_archived(OUTCOMES, counts["outcomes"])
        missing = counts["vitals"] - self._rows(EVENTS)
        self._expect(missing == 0, f"archived {self._rows(EVENTS):,} events, {missing} missing")
        champion = self._retraining.begin()
        tell(f"model in force: {short(champion.model_id) if champion else 'none'}, as shipped")

    @contextmanager
    def following(self) -> Iterator[None]:
        """Alerts as they come, each with its model, until the block ends."""
        with self._alerts.following():
            yield

    def fold(self) -> None:
        """The stays of the events, and their labels."""
        done = fold(self._archive)
        stays = read_archive(ArchiveSource(self._archive))
        cohort = stays.cohort
        self._stage.tell(
            f"the archive's events make {done.n_stays:,} stays; {len(cohort):,} of them have an "
            f"outcome and count, {int(cohort.septic.sum())} are septic"
        )

    def live(self) -> None:
        """The live ward, once the service has worked off the past."""
        self._stage.tell("the service works off the past stays, then a live ward of 40 beds")
        self._until(lambda: self._alerts.n_risks > 0, "a risk of the live ward")
        self._stage.tell("it is up to date: risks of the live ward come")

    def first_run(self) -> bool:
        """A run on labels as they are; whether a candidate passes, which waits for a person."""
        self._stage.tell(
            "run 1 begins: it recalibrates the model in force, trains its weights further, and "
            "judges both on stays that neither has seen"
        )
        self._show(record := self._run("demo"))
        self._candidate = record.candidate or ""
        shown = short(self._candidate)
        passes = record.ended == "asks"
        words = f"{shown} passes all gates; the policy asks a person" if passes else _ending(record)
        self._expect(passes, f"run 1 ends: {words}")
        return passes

    def promotion(self) -> None:
        """A person promotes, and the model changes while alerts go on."""
        tell = self._stage.tell
        refuse_closed(self.registry, self._candidate)
        before = self._alerts.n
        started = time.monotonic()
        why = f"all gates pass (by {_PERSON})"
        publishing.promote(self.registry, self._channel, self._candidate, why)
        note_promoted(self.registry, self._candidate, _PERSON, why)
        shown = short(self._candidate)
        self._until(lambda: self._alerts.risks_of(shown) > 0, "a risk of the new model")
        ms = round((time.monotonic() - started) * 1000)
        tell(f"{_PERSON} promotes {shown}: its first risk comes after {ms} ms")
        self._until(lambda: self._alerts.n > before, "an alert after the swap")
        tell("alerts went on while the model was exchanged")

    def sabotaged_run(self) -> None:
        """A run on labels of other stays: the gates keep its candidates out."""
        tell, champion = self._stage.tell, self.registry.find("champion")
        n = self._sabotage()
        tell(f"sabotage: outcomes of {n} stays to learn from are those of other stays now")
        tell("run 2 begins: as run 1, from wrong labels")
        self._show(record := self._run("demo, sabotaged"))
        is_out = record.ended == "kept" and self.registry.find("champion") == champion
        words = f"the gates keep {short(champion)} in force" if is_out else _ending(record)
        self._expect(is_out, f"run 2 ends: {words}")

    def records(self) -> None:
        """Both runs, as `trainer runs list` has them."""
        self._stage.tell("on record:")
        for record in Records(self.registry.folder).all():
            self._stage.tell(f"  {record.id}  {record.reason}: {_ending(record)}")

    def _past_ward(self) -> Scenario:
        beds = 60
        hours = math.ceil(self._stage.stays / beds * _STAY_HOURS)
        now_ms = int(time.time() * 1000) // HOUR_MS * HOUR_MS
        return Scenario(
            beds=beds,
            seed=self._stage.seed,
            start_ms=now_ms - (_DAYS_AGO * 24 + hours) * HOUR_MS,
            hours=float(hours),
            vitals_every_s=3600.0,
            sepsis_share=_PAST_SEPTIC,
            outcome_delay_hours=2.0,
        )

    def _sabotage(self) -> int:
        """Sends outcomes anew, each kind to another stay, but for stays of the test side."""
        draws = random.Random(self._stage.seed)
        own = [m for m in ward(self._past_ward()) if m.topic == "outcomes"]
        own = [m for m in own if side_of(m.key) != "test"]
        kinds = [str(m.value["type"]) for m in own]
        draws.shuffle(kinds)
        messages = []
        for message, kind in zip(own, kinds, strict=True):
            decided_ms = message.due_ms + HOUR_MS  # ahead of the log it would have to wait
            value = {**message.value, "type": kind, "decided_time": rfc3339(decided_ms)}
            if kind != message.value["type"] and kind == "sepsis_onset":
                onset = datetime.fromisoformat(str(message.value["time"])).astimezone(UTC)
                value["time"] = rfc3339(round(onset.timestamp() * 1000) - 6 * HOUR_MS)
            messages.append(Message(decided_ms, "outcomes", message.key, value))
        before = self._rows(OUTCOMES)
        self._send(messages)
        self._until_archived(OUTCOMES, before + len(messages))
        return len(messages)

    def _run(self, reason: str) -> RunRecord:
        """One run; meanwhile its log's newest line is shown."""
        done, before = threading.Event(), self._logs()

        def show(report: Report) -> None:
            while not done.wait(1.0):
                lines = [last_line(log) for log in self._logs() - before]
                report.update("".join(lines) or "reads the archive")

        with Report(f"run ({reason})") as report:
            watcher = threading.Thread(target=show, args=(report,), daemon=True)
            watcher.start()
            try:
                return self._retraining.once(reason)
            finally:
                done.set()
                watcher.join()

    def _logs(self) -> set[Path]:
        """Logs of the runs so far."""
        return set(self.registry.folder.glob(f"runs/*/{LOG}"))

    def _send(self, messages: Sequence[Message]) -> None:
        topics = {
            "vitals": self._settings.topic_vitals,
            "outcomes": self._settings.topic_outcomes,
        }
        with self._reporter.follow("sent") as move:
            publish(
                messages,
                self._settings.kafka_connection(),
                topics,
                speed=None,
                stop=self._stage.stop,
                progress=lambda sent, _due: move(sent, len(messages)),
            )

    def _rows(self, table: TableSpec) -> int:
        try:
            return sum(rows for rows, _ in ArchiveTable(self._archive, table).sizes())
        except NoTable:
            return 0

    def _until_archived(self, table: TableSpec, n: int) -> None:
        with self._reporter.follow(f"archived {table.name}") as move:

            def is_there() -> bool:
                rows = self._rows(table)
                move(min(rows, n), n)
                return rows >= n

            self._until(is_there, f"{n:,} {table.name} in the archive")

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not holds():
            if self._stage.stop.wait(0.2):
                raise Stopped(f"stopped while waiting for {what}")
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{what} did not come within {_PATIENCE_S:g} s")

    def _expect(self, is_right: bool, line: str) -> None:
        self._stage.tell(line)
        self.went_well = self.went_well and is_right

    def _show(self, record: RunRecord) -> None:
        if self._stage.stop.is_set():
            raise Stopped("stopped during a run")
        for line in (line for made in record.candidates for line in candidate_lines(made)):
            self._stage.tell(line)


def _ending(record: RunRecord) -> str:
    """How a run ended, and why, in a line."""
    return f"{record.ended}; {record.why[:_SHOWN]}"


def candidate_lines(made: CandidateResult) -> list[str]:
    """A candidate for people: its figures, the open gates in one line, and each closed one."""
    if made.utility is None or made.champion_utility is None:
        return [f"  {made.kind}: {made.why}"]
    lines = [
        f"  {made.kind}, model {short(made.model)}, made in {made.seconds:.0f} s: utility "
        f"{made.utility:.2f} on the deciding stays, the champion's {made.champion_utility:.2f}"
    ]
    is_open = [gate.name for gate in made.gates if gate.verdict == "pass"]
    lines.append(f"    gates that pass: {', '.join(is_open)}")
    closed = [gate for gate in made.gates if gate.verdict != "pass"]
    return [*lines, *(f"    {gate.verdict}: {gate.name}: {gate.text}" for gate in closed)]


def _ensure_topics_without_end(settings: Settings) -> None:
    """Creates topics that keep all: past stays are older than what a ward has."""
    for_ever = {"retention.ms": "-1"}
    ensure_topics(
        settings,
        [replace(spec, configs={**spec.configs, **for_ever}) for spec in wanted(settings)],
    )


class _Alerts:
    """Follows risks and alerts; prints an alert a second at most."""

    def __init__(self, settings: Settings, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._tell = tell
        self._models: Counter[str] = Counter()
        self._said_at = 0.0
        self._since = rfc3339(int(time.time() * 1000) - _LIVE_DAYS * 24 * HOUR_MS)
        self.n = 0

    def risks_of(self, model: str) -> int:
        """Risks of the live ward that a model has given."""
        return self._models[model]

    @property
    def n_risks(self) -> int:
        """Risks of the live ward."""
        return self._models.total()

    @contextmanager
    def following(self) -> Iterator[None]:
        """Reads both topics until the block ends."""
        stop = threading.Event()
        threads = [
            threading.Thread(target=self._read, args=(topic, hear, stop), daemon=True)
            for topic, hear in (
                (self._settings.topic_risk, self._hear_risk),
                (self._settings.topic_alerts, self._hear_alert),
            )
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(5)

    def _read(self, topic: str, hear: Callable[[Content], None], stop: threading.Event) -> None:
        connection = self._settings.kafka_connection()
        for value in follow(connection, topic, stop, from_beginning=False):
            hear(json.loads(value))

    def _hear_risk(self, message: Content) -> None:
        if message["time"] >= self._since:
            self._models[str(message.get("model"))] += 1

    def _hear_alert(self, message: Content) -> None:
        if message.get("phase") != "start" or message["time"] < self._since:
            return
        self.n += 1
        if time.monotonic() - self._said_at >= 1.0:
            self._said_at = time.monotonic()
            self._tell(
                f"  alert at {message['time']} for {message['patient_id']}: risk "
                f"{message['risk']:.2f} by model {message['model']}"
            )
