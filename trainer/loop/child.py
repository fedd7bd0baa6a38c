"""The child of a run: reads the stays, makes the candidates, and compares them with the champion.

It is a process of its own, of low priority and with limits, so that a service beside it goes on
undisturbed, and whatever becomes of it the trainer goes on. It promotes nothing.

Usage: python -m trainer.loop.child FOLDER; FOLDER holds `order.json` and gets `made.json`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from trainer.loop.record import DataFacts, Source
from trainer.registry.gates import Evidence, Limits

ORDER: Final = "order.json"
MADE: Final = "made.json"
SEPSIS_ALONE: Final = (
    "a run makes models of sepsis, which is what an archive's labels say; for another task fit by "
    "hand or from cron, `trainer fit --task FILE --data NEW --out DIR`, and put it in force with "
    "`trainer models promote DIR/bundle`"
)
NICENESS: Final = 10  # a streamer on the same machine goes first
OOM_SCORE: Final = 800  # and of the two, the kernel ends this one
_AUTOGROUP: Final = Path("/proc/self/autogroup")
_LEAST: Final = 19  # the lowest weight that there is
_COUNTED_FOLD_HOURS: Final = 24.0  # between folds for counts at least: runs fold as well

Priority = Literal["leftover", "low", "normal"]
Kind = Literal["recalibrated", "fine-tuned", "fitted"]


class Order(BaseModel):
    """What a child is to do.

    Attributes:
        what: `make` candidates, or only `count` stays.
        sources: of stays.
        fold: archives whose stays are made anew from their events first.
        fold_hours: age of the newest fold below which that is not done.
        champion: folder of the bundle in force.
        options: knobs.
        threads: of PyTorch and LightGBM.
        n_bootstrap: replicates of the intervals on the card.
        mature_hours, newest_days: see the policy.
        least_septic_recalibrate, least_septic_fit: septic stays to learn from, below which
            nothing is made, and no fit.
        limits: of the gates.
        frozen_until_ms: see ``Rules``.
        memory_gb: most memory for data.
        priority: see ``limit_itself``.
    """

    what: Literal["make", "count"] = "make"
    sources: list[Source]
    fold: list[str] = []
    fold_hours: float = 0
    champion: str = ""
    options: list[str] = []
    threads: int = 1
    n_bootstrap: int = 200
    mature_hours: float = 72
    newest_days: float = 56
    least_septic_recalibrate: int = 20
    least_septic_fit: int = 300
    limits: Limits = Limits()
    frozen_until_ms: int | None = None
    memory_gb: float = 12
    priority: Priority = "normal"

    def counting(self) -> Order:
        """The order that only counts the stays of this one.

        A fold reads the whole archive and makes a version of the stays, of which some are kept:
        too much for a count every ten minutes. A stay counts ``mature_hours`` after its discharge,
        so a fold that is younger lacks none.
        """
        hours = max(self.mature_hours, _COUNTED_FOLD_HOURS)
        return self.model_copy(update={"what": "count", "fold_hours": hours})


_NUMBERS = ConfigDict(ser_json_inf_nan="constants")  # a figure may be undefined


class Made(BaseModel):
    """A candidate.

    Attributes:
        kind: how it was made.
        folder: of its bundle; empty where it could not be made.
        why: why not, or why it was not compared.
        evidence: for the gates; ``None`` where it was not compared.
        seconds: that it took.
    """

    model_config = _NUMBERS

    kind: Kind
    folder: str = ""
    why: str = ""
    evidence: Evidence | None = None
    seconds: float = 0.0


class Report(BaseModel):
    """What a child leaves.

    Attributes:
        facts: of the stays.
        made: the candidates.
        waiting: why none was made.
        code: versions that a candidate depends on.
        peak_memory_mb: of the process.
    """

    model_config = _NUMBERS

    facts: DataFacts
    made: list[Made] = []
    waiting: str = ""
    code: dict[str, str] = {}
    peak_memory_mb: float = 0.0


def limit_itself(memory_gb: float, priority: Priority) -> None:
    """A claim on the processor, first to be ended when memory is short, a bound on memory for data.

    The address space is no measure: importing PyTorch alone takes 3 GB of it, and uses 0.5 GB.

    Args:
        memory_gb: the bound.
        priority: `low` is niceness: a tenth of a busy processor, and whoever wakes waits until a
            slice of it has ended. `leftover` is what nobody else wants, given up at once. `normal`
            is a claim as any other's.
    """
    if priority != "normal":
        _give_way(priority)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    n_bytes = round(memory_gb * 2**30)
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard == resource.RLIM_INFINITY or n_bytes < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, hard))


def _give_way(priority: Priority) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    if priority == "leftover":
        with contextlib.suppress(OSError):  # a container may forbid it; niceness is left then
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    # Where Linux groups processes by session (sched_autogroup_enabled), both count only among
    # those of this one, and a session as a whole has the same claim as a service's.
    if os.getsid(0) == os.getpid():  # else it is the starter's session, too
        with contextlib.suppress(OSError):
            _AUTOGROUP.write_text(str(_LEAST if priority == "leftover" else NICENESS))


def main(folder: Path) -> int:
    """Does what the order in a folder says; returns the exit status."""
    order = Order.model_validate_json((folder / ORDER).read_bytes())
    limit_itself(order.memory_gb, order.priority)

    from streamer.bundles.bundle import BundleError  # noqa: PLC0415 - after the limits are set
    from streamer.datasets.cohort import DataError  # noqa: PLC0415
    from trainer.errors import InputError  # noqa: PLC0415
    from trainer.loop.making import make  # noqa: PLC0415

    try:
        report = make(order, folder)
    except (InputError, DataError, BundleError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except MemoryError as error:
        sys.stderr.write(f"more than {order.memory_gb:g} GB of memory are needed: {error}\n")
        return 3
    report.peak_memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (folder / MADE).write_text(report.model_dump_json(indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
