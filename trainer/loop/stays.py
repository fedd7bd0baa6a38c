"""The stays of a run: to learn from, to decide on, the newest weeks, and what is on record of them.

A site's own stays are those of its archives; where a run has files alone, they are its own. Sides
hold for ever. The day of the deciding stays is set once, when enough of them are septic.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.datasets.cohort import Cohort, DataError, concatenate
from trainer.archive.source import SCHEME, ArchiveSource
from trainer.atomic import write_atomically
from trainer.data.cohort import fingerprint
from trainer.data.gathering import read
from trainer.data.known_stays import named_sites
from trainer.data.periods import NEWEST_DAYS, divide
from trainer.data.split import decides, side_of
from trainer.loop.record import DataFacts, Source
from trainer.progress import Reporter

NOT_YET: Final = 2**62  # no day is set: all deciding stays so far


@dataclass(frozen=True, slots=True)
class Rules:
    """What of the policy and the registry says which stays count.

    Attributes:
        salt: of the split.
        mature_hours: hours after discharge at which a stay counts.
        newest_days: length of the newest weeks.
        frozen_until_ms: last discharge of the deciding stays; ``None``: not set yet.
    """

    salt: str
    mature_hours: float = 72
    newest_days: float = NEWEST_DAYS
    frozen_until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RunStays:
    """The stays of a run.

    Attributes:
        own: the site's, without the newest weeks; what is learned from and decided on.
        public: of files beside an archive; ``None`` without any.
        known: (k,) indices into ``own``: all but the test side.
        deciding: (d,) indices into ``own``.
        newest: the newest weeks; ``None`` where there are none.
        is_archived: whether the own stays are an archive's.
        facts: for the record.
    """

    own: Cohort
    public: Cohort | None
    known: NDArray[np.int64]
    deciding: NDArray[np.int64]
    newest: Cohort | None
    is_archived: bool
    facts: DataFacts

    @property
    def everything(self) -> Cohort:
        """The own stays and the public ones, sorted by id."""
        if self.public is None:
            return self.own
        joined = concatenate([self.public, self.own])
        joined = replace(joined, sites=named_sites(joined))
        return joined.take(sorted(range(len(joined)), key=joined.patient_ids.__getitem__))


def gather(sources: Sequence[Source], rules: Rules, reporter: Reporter) -> RunStays:
    """Reads the stays of a run.

    Raises:
        DataError: something cannot be read, or no stay is labelled.
        UnfitData: stays that cannot be right.
    """
    files = [Path(s.name) for s in sources if ArchiveSource.parse(s.name) is None]
    archives = [s for s in sources if ArchiveSource.parse(s.name) is not None]
    public = read(files, reporter) if files else None
    if not archives:
        assert public is not None
        deciding = _deciding(public, rules, np.zeros(len(public), np.int64))
        return _described(public, None, deciding, None, rules, [Source(name=str(f)) for f in files])
    return _of_archives(archives, public, [Source(name=str(f)) for f in files], rules)


def _of_archives(
    archives: Sequence[Source], public: Cohort | None, files: list[Source], rules: Rules
) -> RunStays:
    from trainer.archive.cohort import read_archive  # noqa: PLC0415 - deltalake, an extra

    parts, discharge, read_from, now_ms = [], [], files, 0
    counts: dict[str, int] = {}
    shares: dict[str, float] = {}
    for source in archives:
        parsed = ArchiveSource.parse(source.name)
        assert parsed is not None
        archived = read_archive(parsed, rules.mature_hours, source.now_ms)
        parts.append(archived.cohort)
        discharge.append(archived.discharge_ms)
        now_ms = max(now_ms, archived.now_ms)
        name = f"{SCHEME}{parsed.root}@{archived.stays_version}.{archived.outcomes_version}"
        read_from = [*read_from, Source(name=name, now_ms=archived.now_ms)]
        for what, count in archived.counts.items():
            counts[what] = counts.get(what, 0) + count
        for month, share in archived.labelled_share.items():
            # The least of all archives: a large one with its labels would hide one without.
            shares[month] = min(share, shares.get(month, share))
    own, discharge_ms = concatenate(parts), np.concatenate(discharge)
    own = replace(own, sites=named_sites(own))
    until_ms = NOT_YET if rules.frozen_until_ms is None else rules.frozen_until_ms
    periods = divide(
        own.owners, discharge_ms, now_ms, until_ms, rules.newest_days, rules.mature_hours
    )
    newest = periods.newest
    kept = np.sort(np.concatenate([periods.training, periods.frozen]))
    if newest is not None:
        kept = np.setdiff1d(kept, newest)
    stays = _described(
        own.take(kept),
        public,
        _deciding(own.take(kept), rules, discharge_ms[kept]),
        None if newest is None or not len(newest) else own.take(newest),
        rules,
        read_from,
    )
    facts = stays.facts.model_copy(
        update={
            "counts": counts,
            "labelled_share": shares,
            "n_stays": len(own),
            "n_septic": int(own.septic.sum()),
            "frozen_until_ms": rules.frozen_until_ms,
        }
    )
    return replace(stays, is_archived=True, facts=facts)


def _deciding(cohort: Cohort, rules: Rules, discharge_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """(d,) the stays that decide; ``discharge_ms`` of files is 0: they have no time."""
    until_ms = NOT_YET if rules.frozen_until_ms is None else rules.frozen_until_ms
    chosen = [
        side_of(owner, rules.salt) == "test" and decides(owner, rules.salt)
        for owner in cohort.owners
    ]
    return np.flatnonzero(np.array(chosen, np.bool_) & (discharge_ms <= until_ms))


def _described(
    own: Cohort,
    public: Cohort | None,
    deciding: NDArray[np.int64],
    newest: Cohort | None,
    rules: Rules,
    sources: list[Source],
) -> RunStays:
    if not len(own):
        raise DataError("no stay is left to learn from: all are of the newest weeks")
    is_known = np.array([side_of(owner, rules.salt) != "test" for owner in own.owners], np.bool_)
    facts = DataFacts(
        sources=sources,
        n_stays=len(own),
        n_septic=int(own.septic.sum()),
        learned_from=int(own.septic[is_known].sum()),
        deciding=(len(deciding), int(own.septic[deciding].sum())),
        newest=None if newest is None else (len(newest), int(newest.septic.sum())),
        fingerprint=fingerprint(own)["sha256"],
    )
    return RunStays(own, public, np.flatnonzero(is_known), deciding, newest, False, facts)


FROZEN_UNTIL: Final = "frozen_until.json"


def frozen_until(registry: Path) -> int | None:
    """The day of the deciding stays, as the registry keeps it; ``None``: not set yet."""
    try:
        kept = json.loads((registry / FROZEN_UNTIL).read_text())
        return int(kept["frozen_until_ms"])
    except FileNotFoundError:
        return None


def set_frozen_until(registry: Path, until_ms: int) -> None:
    """Sets the day for ever: later stays do not decide, so that a look stays a look."""
    with write_atomically(registry / FROZEN_UNTIL) as new:
        new.write((json.dumps({"frozen_until_ms": until_ms}) + "\n").encode())
