"""The record of a run: what it saw, made, measured and decided, kept for ever.

`runs/ID/run.json` in the registry, written anew at each state. A run without an end whose process
is gone is lost; the next start notes it.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from trainer.atomic import write_atomically
from trainer.errors import InputError

FOLDER: Final = "runs"
FILE: Final = "run.json"
KEPT: Final = 10  # folders of plots and logs; records stay
QUARTER_DAYS: Final = 91
_REPEAT: Final = "repeat "  # begins the reason of one

State = Literal["planned", "training", "judging", "decided", "ended"]
End = Literal[
    "", "promoted", "asks", "kept", "waiting", "skipped", "stopped", "failed", "fenced", "lost"
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class GateResult(_Part):
    """A gate as it closed or opened."""

    name: str
    verdict: str
    text: str


class Source(_Part):
    """One source of stays: a file, a folder, or an archive with the versions that were read."""

    name: str
    now_ms: int | None = None


class DataFacts(_Part):
    """The stays of a run.

    Attributes:
        sources: in order, archives with their versions.
        n_stays: labelled and mature stays of the site.
        n_septic: septic ones among them.
        learned_from: septic stays to learn from.
        deciding: stays that decide, and the septic ones among them.
        newest: the same of the newest weeks.
        counts: of an archive, stays by what became of them.
        labelled_share: by month of discharge; of several archives the least.
        frozen_until_ms: last discharge of the deciding stays.
        fingerprint: of the stays that were learned from and decided.
    """

    sources: list[Source]
    n_stays: int = 0
    n_septic: int = 0
    learned_from: int = 0
    deciding: tuple[int, int] = (0, 0)
    newest: tuple[int, int] | None = None
    counts: dict[str, int] = {}
    labelled_share: dict[str, float] = {}
    frozen_until_ms: int | None = None
    fingerprint: str = ""


class CandidateResult(_Part):
    """A bundle that a run made.

    Attributes:
        kind: `recalibrated`, `fine-tuned` or `fitted`.
        model: its id; empty where it could not be made.
        why: why not.
        utility: on the deciding stays; and the champion's.
        gates: in order.
        seconds: that it took.
    """

    kind: str
    model: str = ""
    why: str = ""
    utility: float | None = None
    champion_utility: float | None = None
    auroc: float | None = None
    champion_auroc: float | None = None
    gates: list[GateResult] = []
    seconds: float = 0.0

    @property
    def passes(self) -> bool:
        """Whether every gate is open."""
        return bool(self.gates) and all(gate.verdict == "pass" for gate in self.gates)


class RunRecord(_Part):
    """A run; fields of earlier versions that are gone are passed over.

    Attributes:
        id: also the name of its folder; empty until it has one.
        reason: `schedule`, `missed TIME`, `N stays`, `once` or `repeat ID`.
        counted: labelled stays, where their count began the run; 0 elsewhere.
        instance: host and process.
        fence: number of the lease; 0 without one.
        policy: hash of the policy file.
        options: knobs, as `trainer fit` takes them.
        candidate: the best bundle that was made.
        looks: how often the deciding stays had decided in the quarter before.
        by: `policy`, or the person who decided.
        version: the published version in force.
    """

    id: str
    reason: str
    scheduled_for: str = ""
    counted: int = 0
    started: str
    finished: str = ""
    state: State = "planned"
    ended: End = ""
    why: str = ""
    instance: str = ""
    fence: int = 0
    code: dict[str, str] = {}
    policy: str = ""
    options: list[str] = []
    threads: int = 0
    data: DataFacts | None = None
    candidates: list[CandidateResult] = []
    candidate: str | None = None
    champion: str | None = None
    looks: int = 0
    by: str = ""
    version: int | None = None
    peak_memory_mb: float = 0.0
    seconds: float = 0.0
    reproducible: bool = True

    @property
    def is_repeat(self) -> bool:
        """Whether it made the candidates of an earlier run again: it judges and decides nothing."""
        return self.reason.startswith(_REPEAT)


def begun(reason: str) -> RunRecord:
    """The record of a run of this process that begins now; on no disk yet."""
    return RunRecord(
        id="",
        reason=reason,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        instance=f"{socket.gethostname()}/{os.getpid()}",
    )


class Records:
    """The records of a registry.

    Args:
        registry: its folder.
    """

    def __init__(self, registry: Path) -> None:
        self.folder = registry / FOLDER

    def new(self, reason: str) -> RunRecord:
        """Begins a record, in a folder of its own."""
        self.add(record := begun(reason))
        return record

    def add(self, record: RunRecord) -> None:
        """Writes a record that has no folder yet into one of its own."""
        base = f"{datetime.fromisoformat(record.started):%Y%m%dT%H%M%S}-{os.getpid()}"
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            name = base if number == 1 else f"{base}-{number}"
            try:
                (self.folder / name).mkdir()
            except FileExistsError:
                continue
            record.id = name
            self.write(record)
            return
        raise FileExistsError(f"a thousand runs began within a second in {self.folder}")

    def new_repeat(self, earlier: RunRecord) -> RunRecord:
        """Begins the record of a run that repeats an earlier one."""
        return self.new(f"{_REPEAT}{earlier.id}")

    def write(self, record: RunRecord) -> None:
        """Writes a record over its earlier state; a reader finds the one or the other."""
        with write_atomically(self.path(record.id) / FILE) as new:
            new.write((record.model_dump_json(indent=1) + "\n").encode())

    def path(self, name: str) -> Path:
        """The folder of a run."""
        return self.folder / name

    def all(self) -> list[RunRecord]:
        """All records that can be read, oldest first."""
        return list(self._each())

    def find(self, name: str) -> RunRecord:
        """The record of an id, or of the beginning of one.

        Raises:
            InputError: no such run, or several.
        """
        matches = [r for r in self._each() if r.id == name] or [
            r for r in self._each() if r.id.startswith(name)
        ]
        if len(matches) != 1:
            shown = ", ".join(record.id for record in matches) or "`trainer runs list` shows all"
            raise InputError(
                f"{name!r} names {len(matches) or 'no'} runs in {self.folder}: {shown}"
            )
        return matches[0]

    def of_model(self, model: str) -> RunRecord | None:
        """The newest run that made a bundle, but for repeats; ``None`` where none did."""
        made = [
            r
            for r in self._each()
            if not r.is_repeat and any(c.model == model for c in r.candidates)
        ]
        return made[-1] if made else None

    def mark_lost(self, except_id: str) -> list[str]:
        """Ends the records of runs whose process is gone; whoever calls holds the lease."""
        lost = []
        for record in self._each():
            if record.ended or record.id == except_id or _is_alive(record.instance):
                continue
            record.why = f"its process ended while it was {record.state}"
            record.ended, record.state = "lost", "ended"
            self.write(record)
            lost.append(record.id)
        return lost

    def looks(self, now: datetime) -> int:
        """How often the deciding stays were asked in the last quarter."""
        return sum(
            any(candidate.gates for candidate in record.candidates)
            and (now - datetime.fromisoformat(record.started)).days < QUARTER_DAYS
            for record in self._each()
        )

    def tidy(self) -> None:
        """Deletes what old runs left beside their records."""
        folders = sorted(path for path in self.folder.iterdir() if path.is_dir())
        for old in folders[:-KEPT]:
            for left in old.iterdir():
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                elif left.name != FILE:
                    left.unlink(missing_ok=True)

    def _each(self) -> Iterator[RunRecord]:
        for file in sorted(self.folder.glob(f"*/{FILE}")):
            try:
                yield RunRecord.model_validate_json(file.read_bytes())
            except (ValidationError, OSError):
                continue


def _is_alive(instance: str) -> bool:
    """Whether another process of this host runs still; one of another host is taken as gone.

    A container that starts anew has the process id that it had before: our own id is no other.
    """
    host, _, pid = instance.rpartition("/")
    if host != socket.gethostname() or not pid.isdecimal() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
