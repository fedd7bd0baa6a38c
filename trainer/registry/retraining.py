"""One retraining: fit in a child process, pass the gates, publish."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from streamer.bundles import bundle as bundles
from streamer.bundles.acceptance import BundleRefused
from streamer.ports.models import Champion, ModelChannel, Superseded
from streamer.ports.states import StoreUnavailable
from streamer.process.audit import failure_audited
from trainer.registry.gates import (
    DEFAULT,
    Difference,
    Evidence,
    Limits,
    all_pass,
    gates,
    in_words,
)
from trainer.registry.lease import RENEW_S, Lease
from trainer.registry.publishing import reconcile, seed
from trainer.registry.registry import Registry

_log = structlog.get_logger()

LOW_PRIORITY: Final = 10  # niceness; a streamer on the same machine goes first
SAY_S: Final = 60.0  # between two lines that say how far a fit is: some twenty in all
GRACE_S: Final = 4.0  # for the child to end: the trainer itself has 10 s to end
POLL_S: Final = 0.5
MOST_S: Final = 12 * 3600.0  # a fit on 40,000 stays takes two hours on four cores
KEPT_RUNS: Final = 10  # folders of plots and histories; the bundles are kept in the registry

LEASED: Final = "another trainer holds the lease"
OVERTAKEN: Final = "another trainer published first"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one retraining ended.

    Attributes:
        ended: ``promoted``, ``kept`` (the champion stays), ``skipped`` (another trainer
            holds the lease), ``stopped`` or ``failed``.
        why: the reason, in words.
        candidate: model id of the bundle that was trained.
        champion: model id of the bundle that it was compared with.
        version: the published version in force; ``None`` if Redis did not answer.
    """

    ended: str
    why: str
    candidate: str | None = None
    champion: str | None = None
    version: int | None = None


class Retraining:
    """Retrains on the same files again and again.

    Args:
        data: files and folders of stays; their content may change between retrainings.
        registry: keeps the bundles.
        channel: publishes the champion.
        lease: held while training.
        fit_options: further arguments of ``trainer fit``.
        stop: when set, a retraining that is under way ends.
        most_s: seconds after which a fit is ended: one that hangs would hold the lease for ever.
    """

    limits: Limits = DEFAULT
    """What the gates of a promotion ask for."""

    def __init__(
        self,
        data: Sequence[Path],
        registry: Registry,
        channel: ModelChannel,
        lease: Lease,
        fit_options: Sequence[str],
        stop: threading.Event,
        most_s: float = MOST_S,
    ) -> None:
        self._data = data
        self._registry = registry
        self._channel = channel
        self._lease = lease
        self._fit_options = fit_options
        self._stop = stop
        self._most_s = most_s

    def begin(self) -> Champion | None:
        """Makes sure that there is a champion and, if Redis answers, that it is in force."""
        seed(self._registry)
        try:
            return reconcile(self._registry, self._channel)
        except BundleRefused as error:
            _log.error("the champion is refused", reason=error.reason, error=str(error))
            return None
        except (StoreUnavailable, Superseded) as error:
            _log.warning("not published, will try again", error=str(error))
            return None

    def once(self) -> Outcome:
        """Retrains once and logs in one line how it ended; never raises."""
        started = time.monotonic()
        figures: dict[str, object] = {}
        try:
            outcome = self._leased(figures)
        except Exception as error:
            outcome = Outcome("failed", f"{type(error).__name__}: {error}")
        write_log = _log.error if outcome.ended == "failed" else _log.info
        write_log(
            "retraining ended",
            **asdict(outcome),
            **figures,
            seconds=round(time.monotonic() - started, 1),
        )
        return outcome

    def _leased(self, figures: dict[str, object]) -> Outcome:
        try:
            if not self._lease.acquire():
                return Outcome("skipped", LEASED)
        except StoreUnavailable as error:
            # Nothing can be published now, alone or not; later the version shows who was first.
            _log.warning("training without a lease", error=str(error))
        try:
            self.begin()
            return self._retrain(figures)
        finally:
            with contextlib.suppress(StoreUnavailable):  # it ends by itself
                self._lease.release()

    def _retrain(self, figures: dict[str, object]) -> Outcome:
        registry = self._registry
        champion = registry.find("champion")
        out = self._new_folder()
        failure = self._fit(out, registry.folder / "bundles" / champion)
        if failure is not None:
            return failure
        candidate = registry.add(bundles.load(out / "bundle"), f"trained, see {out.name}")
        if registry.key is not None:
            registry.sign(candidate, registry.key)
        better, why = self._decide(json.loads((out / "comparison.json").read_text()), figures)
        if not better:
            if candidate != champion:
                registry.set_challenger(candidate, why)
            return Outcome("kept", why, candidate, champion, registry.aliases().published or None)
        if registry.aliases().champion != champion:
            why = "the champion changed during training"
            registry.set_challenger(candidate, why)
            return Outcome("kept", why, candidate, champion)
        return self._put_in_force(candidate, champion, why)

    def _decide(self, comparison: dict[str, Any], figures: dict[str, object]) -> tuple[bool, str]:
        """Whether the candidate takes over, and why; adds figures to the line of the log."""
        figures["n_patients"] = comparison["n_patients"]
        figures["n_septic"] = comparison["n_septic"]
        kept = comparison["evidence"]
        if kept is None:
            return False, comparison["why"]
        for side in ("candidate", "champion"):
            for name in ("utility", "auroc", "auprc"):
                figures[f"{side}_{name}"] = kept[side].get(name)
        figures["utility_difference_ci"] = comparison["difference_ci"].get("utility")
        differences = {name: Difference(**kept[name]) for name in ("utility", "auroc")}
        days = self._registry.champion_days(datetime.now(UTC))
        evidence = Evidence(**{**kept, **differences, "champion_days": days})
        verdicts = gates(evidence, self.limits)
        figures["gates"] = {gate.name: gate.verdict.value for gate in verdicts}
        return all_pass(verdicts), in_words(verdicts)

    def _put_in_force(self, candidate: str, champion: str, why: str) -> Outcome:
        try:
            # The holder of a newer lease decides. A publication in the meantime makes another
            # champion here, with which the candidate was not compared.
            fenced = self._lease.fence > 0 and not self._lease.is_newest()
            in_force = reconcile(self._registry, self._channel)
            if fenced or in_force.model_id != champion:
                self._registry.set_challenger(candidate, OVERTAKEN)
                return Outcome("kept", OVERTAKEN, candidate, champion, in_force.version)
        except (StoreUnavailable, Superseded) as error:
            _log.warning("not published, will try again", error=str(error))
        except BundleRefused as error:
            _log.error("the champion is refused", reason=error.reason, error=str(error))
        with failure_audited(self._registry.audit_file, "promote", candidate):
            self._registry.accept(candidate)
            self._registry.promote(candidate, why)
        published = self.begin()
        return Outcome(
            "promoted", why, candidate, champion, published.version if published else None
        )

    def _fit(self, out: Path, champion: Path) -> Outcome | None:
        """Runs ``trainer fit`` in a child process; returns ``None`` or its end without a bundle."""
        words = [sys.executable, "-m", "trainer", "fit", "--out", str(out), *self._fit_options]
        words += ["--against", str(champion)]
        words += [word for path in self._data for word in ("--data", str(path))]
        log = out / "fit.log"
        with log.open("wb") as output:
            # The child has its own session: Ctrl-C reaches the trainer alone, which ends the child.
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.setpriority(os.PRIO_PROCESS, child.pid, LOW_PRIORITY)
            give_up_at = time.monotonic() + self._most_s
            try:
                lease_lost = self._watch(child, log, give_up_at)
                is_hung = child.poll() is None and time.monotonic() >= give_up_at
            finally:
                _end(child)
        if self._stop.is_set():
            return Outcome("stopped", "the trainer was stopped")
        if lease_lost:
            return Outcome("skipped", f"the lease was lost: {LEASED}")
        if is_hung:
            why = f"fit did not end within {self._most_s / 3600:.3g} h and was ended"
            return Outcome("failed", f"{why} (more in {log})")
        if child.returncode:
            why = f"fit ended with {child.returncode}: {last_line(log) or 'no output'}"
            return Outcome("failed", f"{why} (more in {log})")
        return None

    def _watch(self, child: subprocess.Popen[bytes], log: Path, give_up_at: float) -> bool:
        """Waits for the child, says how far it is, renews the lease; true if the lease was lost."""
        say_at = renew_at = time.monotonic() + RENEW_S
        while child.poll() is None and not self._stop.wait(POLL_S):
            if time.monotonic() >= say_at:
                say_at = time.monotonic() + SAY_S
                _log.info("fitting", progress=last_line(log))
            if time.monotonic() >= give_up_at:
                break
            if self._lease.fence and time.monotonic() >= renew_at:
                renew_at = time.monotonic() + RENEW_S
                try:
                    # While Redis was away the lease may have run out without a new holder.
                    if not self._lease.renew() and not self._lease.acquire():
                        return True
                except StoreUnavailable as error:
                    _log.warning("lease not renewed", error=str(error))
        return False

    def _new_folder(self) -> Path:
        runs = self._registry.folder / "runs"
        out = runs / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
        out.mkdir(parents=True)
        for old in sorted(path for path in runs.iterdir() if path.is_dir())[:-KEPT_RUNS]:
            shutil.rmtree(old, ignore_errors=True)
        return out


def last_line(log: Path) -> str:
    """The newest line of a log; empty where it has none."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
