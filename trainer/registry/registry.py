"""The registry folder: every bundle that was made, which one is champion, and how it came so.

::

    bundles/<id>/       a bundle, never changed once it is there
    aliases.json        champion, challenger, the champions before, what was last published
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
from typing import Any, Final

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import Bundle
from trainer.atomic import write_atomically
from trainer.errors import UnknownModel

MOST_BEFORE: Final = 20  # champions that rollback can walk back to; a year of monthly changes


@dataclass(frozen=True, slots=True)
class Aliases:
    """Who is who.

    Attributes:
        champion: the bundle that is, or should be, in force.
        challenger: the newest candidate that lost.
        before: earlier champions, the last one last.
        published: the version that the model channel had when this registry last agreed with it;
            0 before the first time.
    """

    champion: str | None = None
    challenger: str | None = None
    before: tuple[str, ...] = field(default_factory=tuple)
    published: int = 0


class Registry:
    """Bundles and aliases in a folder that several processes may use at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ids(self) -> list[str]:
        """Ids of all bundles, in order of the first time they were added."""
        added = [entry["model"] for entry in self.history() if entry["what"] == "added"]
        return [model for model in dict.fromkeys(added) if self._place(model).is_dir()]

    def find(self, name: str) -> str:
        """Resolves an id, the beginning of one, ``champion`` or ``challenger``.

        Raises:
            UnknownModel: it stands for no bundle, or for several.
        """
        aliases = self.aliases()
        if name in ("champion", "challenger"):
            model = aliases.champion if name == "champion" else aliases.challenger
            if model is None:
                raise UnknownModel(f"there is no {name} in {self.folder}")
            return model
        found = [model for model in self.ids() if name and model.startswith(name)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise UnknownModel(
                f"no model {name!r} in {self.folder}; `trainer models list` shows what there is"
            )
        raise UnknownModel(f"{name!r} may be any of {', '.join(found)}; give more digits")

    def load(self, name: str) -> Bundle:
        """Reads a bundle by whatever ``find`` resolves.

        Raises:
            UnknownModel: no such bundle.
            BundleError: its files are broken.
        """
        return bundles.load(self._place(self.find(name)))

    def aliases(self) -> Aliases:
        """Who is champion, challenger and so on; all empty in a new registry."""
        try:
            kept = json.loads((self.folder / "aliases.json").read_text())
        except FileNotFoundError:
            return Aliases()
        return Aliases(**{**kept, "before": tuple(kept["before"])})

    def history(self) -> list[dict[str, Any]]:
        """Every change, oldest first."""
        try:
            lines = (self.folder / "history.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def add(self, bundle: Bundle, why: str) -> str:
        """Keeps a bundle and returns its id; one that is there already is left as it is."""
        model = bundle.model_id
        with self._changing():
            place = self._place(model)
            if place.is_dir():
                return model
            new = place.with_name(f".{model}.new")
            shutil.rmtree(new, ignore_errors=True)  # of a process that died here
            bundle.save(new)
            new.rename(place)
            self._note("added", model, why)
        return model

    def set_challenger(self, model: str, why: str) -> None:
        """Names the candidate that did not become champion."""
        with self._changing():
            self._write(replace(self.aliases(), challenger=self.find(model)))
            self._note("challenger", model, why)

    def promote(self, name: str, why: str) -> str:
        """Makes a bundle champion and returns its id; nothing changes if it is so already.

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

    def _place(self, model: str) -> Path:
        return self.folder / "bundles" / model

    def _write(self, aliases: Aliases) -> None:
        with write_atomically(self.folder / "aliases.json") as new:
            new.write((json.dumps(asdict(aliases), indent=1) + "\n").encode())

    def _note(self, what: str, model: str, why: str) -> None:
        entry = {"time": datetime.now(UTC).isoformat(timespec="seconds")}
        line = json.dumps({**entry, "what": what, "model": model, "why": why}) + "\n"
        with (self.folder / "history.jsonl").open("a") as history:
            history.write(line)
            history.flush()
            os.fsync(history.fileno())

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One process at a time; the lock goes with the process, however it ends."""
        (self.folder / "bundles").mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
