"""The registry folder: every bundle, the champion among them, and the history of changes.

::

    bundles/<id>/       a bundle, never changed once it is there
    aliases.json        champion, challenger, earlier champions, the version last published
    history.jsonl       a line for each change, oldest first
    .lock               held while something changes
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypedDict

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import Bundle
from trainer.atomic import write_atomically
from trainer.errors import UnknownModel

MOST_BEFORE: Final = 20  # earlier champions kept for rollback; over a year of monthly changes


@dataclass(frozen=True, slots=True)
class Aliases:
    """The bundles that have a role.

    Attributes:
        champion: the bundle that is, or should be, in force.
        challenger: the newest candidate that lost.
        before: ids of earlier champions, the newest last.
        published: the version that the model channel had when this registry last agreed with it;
            0 before the first time.
    """

    champion: str | None = None
    challenger: str | None = None
    before: tuple[str, ...] = field(default_factory=tuple)
    published: int = 0


class HistoryEntry(TypedDict):
    """A line of ``history.jsonl``: RFC 3339 time, what was done, to which model, and why."""

    time: str
    what: str
    model: str
    why: str


class Registry:
    """Bundles and aliases in a folder that several processes may use at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ids(self) -> list[str]:
        """Ids of all bundles, in order of the first time they were added."""
        added = [entry["model"] for entry in self.history() if entry["what"] == "added"]
        return [model for model in dict.fromkeys(added) if self._path(model).is_dir()]

    def find(self, name: str) -> str:
        """Resolves an id, the beginning of one, ``champion`` or ``challenger``.

        Raises:
            UnknownModel: no bundle of that name, or several.
        """
        aliases = self.aliases()
        if name in ("champion", "challenger"):
            model = aliases.champion if name == "champion" else aliases.challenger
            if model is None:
                raise UnknownModel(f"there is no {name} in {self.folder}")
            return model
        matches = [model for model in self.ids() if name and model.startswith(name)]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise UnknownModel(
                f"no model {name!r} in {self.folder}; `trainer models list` shows all"
            )
        raise UnknownModel(f"{name!r} may be any of {', '.join(matches)}; give more digits")

    def load(self, name: str) -> Bundle:
        """Reads a bundle by any name that ``find`` resolves.

        Raises:
            UnknownModel: no such bundle.
            BundleError: its files are broken.
        """
        return bundles.load(self._path(self.find(name)))

    def aliases(self) -> Aliases:
        """The bundles that have a role; all empty in a new registry."""
        try:
            kept = json.loads((self.folder / "aliases.json").read_text())
        except FileNotFoundError:
            return Aliases()
        return Aliases(**{**kept, "before": tuple(kept["before"])})

    def history(self) -> list[HistoryEntry]:
        """All changes, oldest first."""
        try:
            lines = (self.folder / "history.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def add(self, bundle: Bundle, why: str) -> str:
        """Keeps a bundle and returns its id; a bundle that is already here is left as it is."""
        model = bundle.model_id
        with self._changing():
            path = self._path(model)
            if path.is_dir():
                return model
            new = path.with_name(f".{model}.new")
            shutil.rmtree(new, ignore_errors=True)  # of a process that died here
            bundle.save(new)
            new.rename(path)
            self._note("added", model, why)
        return model

    def set_challenger(self, model: str, why: str) -> None:
        """Names the candidate that did not become champion."""
        with self._changing():
            self._write(replace(self.aliases(), challenger=self.find(model)))
            self._note("challenger", model, why)

    def promote(self, name: str, why: str) -> str:
        """Makes a bundle champion and returns its id; nothing changes if it is champion already.

        Raises:
            UnknownModel: no such bundle.
        """
        with self._changing():
            model, aliases = self.find(name), self.aliases()
            if model == aliases.champion:
                return model
            before = aliases.before + ((aliases.champion,) if aliases.champion else ())
            challenger = None if aliases.challenger == model else aliases.challenger
            self._write(Aliases(model, challenger, before[-MOST_BEFORE:], aliases.published))
            self._note("promoted", model, why)
        return model

    def rollback(self, why: str) -> str:
        """Makes the champion before this one champion again and returns its id.

        Raises:
            UnknownModel: there was none before.
        """
        with self._changing():
            aliases = self.aliases()
            if not aliases.before:
                raise UnknownModel(f"there was no champion before this one in {self.folder}")
            model = aliases.before[-1]
            self._write(replace(aliases, champion=model, before=aliases.before[:-1]))
            self._note("rolled back", model, why)
        return model

    def note_published(self, version: int) -> None:
        """Notes that the channel's version ``version`` is this registry's champion."""
        with self._changing():
            aliases = self.aliases()
            if aliases.published != version:
                self._write(replace(aliases, published=version))
                self._note("published", aliases.champion or "", f"version {version}")

    def _path(self, model: str) -> Path:
        return self.folder / "bundles" / model

    def _write(self, aliases: Aliases) -> None:
        with write_atomically(self.folder / "aliases.json") as new:
            new.write((json.dumps(asdict(aliases), indent=1) + "\n").encode())

    def _note(self, what: str, model: str, why: str) -> None:
        time = datetime.now(UTC).isoformat(timespec="seconds")
        entry: HistoryEntry = {"time": time, "what": what, "model": model, "why": why}
        with (self.folder / "history.jsonl").open("a") as history:
            history.write(json.dumps(entry) + "\n")
            history.flush()
            os.fsync(history.fileno())

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Lets one process change the folder at a time; the lock ends with its process."""
        (self.folder / "bundles").mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
