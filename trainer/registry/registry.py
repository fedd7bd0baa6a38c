"""The registry folder: every bundle, the champion among them, and the history of changes.

::

    bundles/<id>/       a bundle; once it is there, only signatures are added
    aliases.json        champion, challenger, earlier champions, the version last published
    history.jsonl       a line for each change, oldest first, chained by hashes
    .lock               held while something changes

Folders of earlier versions have the first twelve digits of the id as their names; the first change
renames them. What a crash has cut is passed over: aliases follow from the history as well.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import structlog

from streamer.bundles import bundle as bundles
from streamer.bundles.acceptance import BundleRefused, Trust, accept
from streamer.bundles.bundle import Bundle, BundleError, short
from streamer.core.model import ID_DIGITS
from streamer.core.reasons import Refusal
from streamer.process.audit import audited, record
from trainer.atomic import sync_folder, write_atomically
from trainer.errors import Quarantined, UnknownModel
from trainer.registry.aliases import Aliases, promoted, replayed, rolled_back, unwritten, withdrawn
from trainer.registry.history import History, HistoryEntry
from trainer.registry.keys import SigningKey, save_signed

_log = structlog.get_logger()


class Registry:
    """Bundles and aliases in a folder that several processes may use at once.

    Args:
        folder: it is made by the first change.
        trust: whose bundles may become champion.
        key: signs bundles; ``None`` where nobody does here.
        audit_file: gets a line for each promotion, rollback and signature, with the history's head.
    """

    def __init__(
        self,
        folder: Path,
        trust: Trust | None = None,
        key: SigningKey | None = None,
        audit_file: Path | None = None,
    ) -> None:
        self.folder = folder
        self.trust = trust or Trust()
        self.key = key
        self.audit_file = audit_file or folder / "audit.jsonl"
        self._history = History(folder / "history.jsonl")

    def ids(self) -> list[str]:
        """Ids of all bundles, in order of the first time they were added."""
        folder = self.folder / "bundles"
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        added = [entry["model"] for entry in self.history() if entry["what"] == "added"]
        order = {model: i for i, model in reversed(list(enumerate(added)))}
        kept = [name for name in sorted(names) if not name.startswith(".")]
        return sorted(kept, key=lambda name: order.get(name, order.get(short(name), len(order))))

    def history_of(self, model: str) -> list[HistoryEntry]:
        """All changes of a model, oldest first; earlier versions named it by twelve digits."""
        return [e for e in self.history() if e["model"] in (model, short(model))]

    def champion_days(self, now: datetime) -> float:
        """Days since the champion was promoted; 0 where the history does not say."""
        times = [
            entry["time"]
            for entry in self.history_of(self.aliases().champion or "")
            if entry["what"] in ("promoted", "rolled back")
        ]
        return (now - datetime.fromisoformat(times[-1])).total_seconds() / 86_400 if times else 0.0

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
        ids = self.ids()
        matches = [name] if name in ids else [m for m in ids if name and m.startswith(name)]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            folder = ", and no folder of a bundle has that name" if "/" in name else ""
            raise UnknownModel(
                f"no model {name!r} in {self.folder}{folder}; `trainer models list` shows all"
            )
        raise UnknownModel(f"{name!r} may be any of {', '.join(matches)}; give more digits")

    def load(self, name: str) -> Bundle:
        """Reads a bundle by any name that ``find`` resolves.

        Raises:
            UnknownModel: no such bundle.
            BundleError: its files are broken.
        """
        return bundles.load(self._path(self.find(name)))

    def accept(self, name: str) -> Bundle:
        """Reads a bundle that may become champion.

        Raises:
            UnknownModel: no such bundle.
            BundleRefused: it may not, or its files are broken.
        """
        try:
            bundle = self.load(name)
        except BundleRefused:
            raise
        except BundleError as error:
            raise BundleRefused(Refusal.UNREADABLE, str(error)) from error
        accept(bundle, self.trust)
        return bundle

    def aliases(self) -> Aliases:
        """The bundles that have a role; all empty in a new registry."""
        try:
            kept = json.loads((self.folder / "aliases.json").read_text())
            lists = {"before": kept["before"], "quarantined": dict(kept).get("quarantined", ())}
            return Aliases(**{**kept, **{name: tuple(ids) for name, ids in lists.items()}})
        except FileNotFoundError:
            return Aliases()
        except (ValueError, TypeError, KeyError) as error:
            _log.warning("aliases.json passed over, the history is read", error=str(error))
            return replayed(self.history())

    def history(self) -> list[HistoryEntry]:
        """All changes that can be read, oldest first."""
        return self._history.entries()

    def history_faults(self) -> list[str]:
        """What is wrong with the history's chain of hashes; empty when nothing is."""
        return self._history.faults()

    def history_head(self) -> str:
        """The hash of the whole history."""
        return self._history.head()

    def add(self, bundle: Bundle, why: str) -> str:
        """Keeps a bundle and returns its id; of one that is here already, only the signatures.

        Raises:
            BundleError: another bundle has this id.
        """
        model = bundle.model_id
        with self._changing():
            path = self._path(model)
            if path.is_dir():
                self._add_signatures(path, bundle)
                return model
            new = path.with_name(f".{model}.new")
            shutil.rmtree(new, ignore_errors=True)  # of a process that died here
            bundle.save(new)
            sync_folder(new)
            new.rename(path)
            sync_folder(path.parent)
            self._note("added", model, why)
        return model

    def sign(self, name: str, key: SigningKey) -> str:
        """Signs a bundle, after it was tried; returns its id.

        Raises:
            UnknownModel: no such bundle.
            BundleError: it cannot be used, so nobody should vouch for it.
        """
        model = self.find(name)
        with audited(self.audit_file, "sign", model) as action:
            signed = key.sign(self.load(model))
            accept(signed, Trust((key.public,)))
            with self._changing():
                save_signed(signed, self._path(signed.model_id))
                self._note("signed", signed.model_id, f"with the key {key.public}")
                action.target = self._audit_object(model)
        return signed.model_id

    def _add_signatures(self, path: Path, bundle: Bundle) -> None:
        """Adds those of a copy; if they are of another card, or other known inputs, these too."""
        try:
            kept = bundles.load(path)
        except BundleError:
            bundle.save(path)
            sync_folder(path)
            return
        if not bundle.signatures:
            return
        own = kept.signatures if kept.digest == bundle.digest else ()
        by_key = {one.public_key: one for one in (*own, *bundle.signatures)}
        signed = replace(bundle, signatures=tuple(by_key.values()))
        if signed != kept:
            save_signed(signed, path)

    def may_be_champion(self, name: str) -> bool:
        """Whether services would take a bundle; why not is logged."""
        try:
            self.accept(name)
        except (BundleError, UnknownModel) as error:
            _log.warning("it may not be champion", model=name, error=str(error))
            return False
        return True

    def set_challenger(self, model: str, why: str) -> None:
        """Names the candidate that did not become champion."""
        with self._changing():
            self._write(replace(self.aliases(), challenger=self.find(model)))
            self._note("challenger", model, why)

    def promote(self, name: str, why: str, *, force: bool = False) -> str:
        """Makes a bundle champion and returns its id; nothing changes if it is champion already.

        Args:
            name: as ``find`` resolves it.
            why: the reason, for the history.
            force: whether one that was rolled back may be champion again.

        Raises:
            UnknownModel: no such bundle.
            Quarantined: it was rolled back.
        """
        with self._changing():
            model, aliases = self.find(name), self.aliases()
            if model == aliases.champion:
                return model
            if model in aliases.quarantined and not force:
                raise Quarantined(
                    f"{short(model)} was rolled back and is in quarantine; --force, with a "
                    "reason, puts it in force again"
                )
            self._write(promoted(aliases, model))
            self._note("promoted", model, why)
            record(self.audit_file, "promote", self._audit_object(model))
        return model

    def rollback(self, why: str) -> str:
        """Makes the champion before this one champion again and returns its id.

        Earlier champions that may not be champion any more are passed over. The champion itself is
        not read: it may be the reason. It goes into quarantine.

        Raises:
            UnknownModel: there was none before.
        """
        with self._changing():
            aliases = self.aliases()
            before = list(aliases.before)
            while before and not self.may_be_champion(before[-1]):
                before.pop()
            if not before:
                raise UnknownModel(f"there was no champion before this one in {self.folder}")
            model = before.pop()
            self._write(rolled_back(aliases, model, tuple(before)))
            self._note("rolled back", model, why)
            record(self.audit_file, "rollback", self._audit_object(model))
        return model

    def withdraw(self, champion: str, why: str) -> None:
        """Undoes the promotion of ``champion``, which was never in force; it is the challenger."""
        with self._changing():
            aliases = self.aliases()
            if aliases.champion == champion and aliases.before:
                self._write(withdrawn(aliases))
                self._note("withdrawn", champion, why)

    def note_rollback(self, refused: str, why: str) -> None:
        """Notes that the champion is published again over a model that is refused."""
        with self._changing():
            champion = self.aliases().champion or ""
            self._note("rolled back", champion, f"{why} ({refused!a:.80})")
            record(self.audit_file, "rollback", self._audit_object(champion))

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
        self._history.append(what, model, why)

    def _audit_object(self, model: str) -> str:
        """The model, and the history's head: lines that are cut off later are missed by it."""
        return f"{model}, history {self.history_head()}"

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Lets one process change the folder at a time; the lock ends with its process."""
        (self.folder / "bundles").mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._rename_old()
            self._complete_history()
            yield

    def _complete_history(self) -> None:
        """Adds the line of a change that ended, with its process, before it was written."""
        if (missing := unwritten(self.aliases(), self.history())) is not None:
            self._note(*missing, "noted late: the process that did it ended before")

    def _rename_old(self) -> None:
        """Gives bundles of earlier versions, named by twelve digits, their whole ids as names."""
        whole: dict[str, str] = {}
        for path in (self.folder / "bundles").glob("?" * ID_DIGITS):
            try:
                model = bundles.load(path).model_id
            except BundleError as error:
                _log.warning("bundle passed over", model=path.name, error=str(error))
                continue
            if model.startswith(path.name):
                path.rename(self._path(model))
                whole[path.name] = model
        aliases = self.aliases()
        named = [aliases.champion, aliases.challenger, *aliases.before]
        for name in named:
            for path in (self.folder / "bundles").glob(f"{name}*") if name else ():
                if len(str(name)) == ID_DIGITS and path.name != name:
                    whole[str(name)] = path.name  # renamed by a process that died before this line
        if whole.keys() & set(named):
            champion, challenger, *before = (name and whole.get(name, name) for name in named)
            self._write(
                replace(
                    aliases,
                    champion=champion,
                    challenger=challenger,
                    before=tuple(name for name in before if name),
                )
            )
