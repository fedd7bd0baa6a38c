"""The child process of a run: started, watched, ended in time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import structlog

from streamer.ports.states import StoreUnavailable
from streamer.process.die_with_parent import tied_to_this_process
from trainer.loop.child import MADE, ORDER, Order, Priority, Report
from trainer.loop.record import End
from trainer.registry.lease import RENEW_S, Lease

_log = structlog.get_logger()

LOG: Final = "fit.log"
SAY_S: Final = 60.0  # between two lines that say how far a fit is: some twenty in all
GRACE_S: Final = 4.0  # for the child to end: the trainer itself has 10 s to end
POLL_S: Final = 0.5
MOST_HOURS: Final = 12.0  # a fit on 40,000 stays takes two hours on four cores
CHILD: Final = "trainer.loop.child"

# Threads that wait for work by spinning take the processor from a service on the same machine: the
# scheduler gives them their share although they do nothing.
_NO_SPINNING: Final = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "KMP_BLOCKTIME": "0",
}


class ChildEnd(Enum):
    """How a child ended that left no report."""

    STOPPED = "stopped"
    LEASE_LOST = "lease lost"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NoReport:
    """A child without a report, and why."""

    kind: ChildEnd
    why: str

    @property
    def run_end(self) -> End:
        """The end of its run."""
        return _ENDS[self.kind]


_ENDS: Final[dict[ChildEnd, End]] = {
    ChildEnd.STOPPED: "stopped",
    ChildEnd.LEASE_LOST: "fenced",
    ChildEnd.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a child.

    Attributes:
        hours: after which it is ended: one that hangs would hold the lease for ever.
        memory_gb: most memory for data.
        priority: of its claim on the processor (``child.limit_itself``).
    """

    hours: float = MOST_HOURS
    memory_gb: float = 12
    priority: Priority = "normal"


def default_threads() -> int:
    """Half of the cores that this process may use: a service beside it keeps the others."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


def run_child(
    order: Order, folder: Path, lease: Lease | None, stop: threading.Event, limits: Limits
) -> Report | NoReport:
    """Gives a child its order and waits for it, renewing the lease.

    Args:
        order: what to do.
        folder: gets the order, the log, and what the child makes.
        lease: renewed meanwhile, where there is one; the child ends if somebody else holds it.
        stop: when set, the child ends.
        limits: of its time; that of its memory is part of the order.
    """
    (folder / ORDER).write_text(order.model_dump_json(indent=1) + "\n")
    log = folder / LOG
    with log.open("wb") as output:
        # The child has its own session: Ctrl-C reaches the trainer alone, which ends the child. A
        # trainer that is killed ends nothing, and nobody else bounds the child's time: the kernel
        # ends it. The thread that starts it waits for it, so it never outlives that thread.
        child = subprocess.Popen(
            tied_to_this_process([sys.executable, "-m", CHILD, str(folder)]),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **_NO_SPINNING, "OMP_NUM_THREADS": str(order.threads)},
        )
        give_up_at = time.monotonic() + limits.hours * 3600
        try:
            lease_lost = _watch(child, log, lease, stop, give_up_at)
            is_hung = child.poll() is None and time.monotonic() >= give_up_at
        finally:
            _end(child)
    if stop.is_set():
        return NoReport(ChildEnd.STOPPED, "the trainer was stopped")
    if lease_lost:
        return NoReport(ChildEnd.LEASE_LOST, "the lease was lost: another trainer holds it")
    if is_hung:
        why = f"the run did not end within {limits.hours:.3g} h and was ended (more in {log})"
        return NoReport(ChildEnd.FAILED, why)
    if child.returncode:
        why = f"the run ended with {child.returncode}: {last_line(log) or 'no output'}"
        return NoReport(ChildEnd.FAILED, f"{why} (more in {log})")
    return Report.model_validate_json((folder / MADE).read_bytes())


def last_line(log: Path) -> str:
    """The newest line of a log; empty where it has none."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _watch(
    child: subprocess.Popen[bytes],
    log: Path,
    lease: Lease | None,
    stop: threading.Event,
    give_up_at: float,
) -> bool:
    """Waits for the child, says how far it is, renews the lease; true if the lease was lost."""
    say_at = renew_at = time.monotonic() + RENEW_S
    while child.poll() is None and not stop.wait(POLL_S):
        now = time.monotonic()
        if now >= give_up_at:
            return False
        if now >= say_at:
            say_at = now + SAY_S
            _log.info("training", last_line=last_line(log))
        if lease is not None and lease.fence and now >= renew_at:
            renew_at = now + RENEW_S
            try:
                # While Redis was away the lease may have run out without a new holder.
                if not lease.renew() and not lease.acquire():
                    return True
            except StoreUnavailable as error:
                _log.warning("lease not renewed", error=str(error))
    return False


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
        return
    child.kill()
    child.wait()
