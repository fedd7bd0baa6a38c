"""One retraining: fit in a child process, compare with the champion, publish what is better."""

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
from streamer.ports.models import Champion, ModelChannel, Superseded
from streamer.ports.states import StoreUnavailable
from trainer.registry.lease import RENEW_S, Lease
from trainer.registry.publishing import reconcile, seed
from trainer.registry.registry import Registry

_log = structlog.get_logger()

LOW_PRIORITY: Final = 10  # nice; the streamer beside it on the same machine goes first
GRACE_S: Final = 4.0  # for the child to end; with the rest the trainer stays under its 10 s
POLL_S: Final = 0.5
KEPT_RUNS: Final = 10  # folders with plots and histories; a bundle itself is kept in the registry


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one retraining ended.

    Attributes:
        ended: ``promoted``, ``kept`` (the champion stays), ``skipped`` (another trainer is at it),
            ``stopped`` or ``failed``.
        why: in words.
        candidate: id of what was trained.
        champion: id of what it was compared with.
        version: the published version in force; ``None`` when Redis did not say.
    """

    ended: str
    why: str
    candidate: str | None = None
    champion: str | None = None
    version: int | None = None


class Retraining:
    """Retrains on the same files again and again.

    Args:
        data: files and folders; what is in them may change from time to time.
        registry: where bundles are kept.
        channel: where the champion is published.
        lease: held while training.
        fit_options: further arguments of ``trainer fit``.
        stop: ends a retraining that is under way.
    """

    def __init__(
        self,
        data: Sequence[Path],
        registry: Registry,
        channel: ModelChannel,
        lease: Lease,
        fit_options: Sequence[str],
        stop: threading.Event,
    ) -> None:
        self._data = data
        self._registry = registry
        self._channel = channel
        self._lease = lease
        self._fit_options = fit_options
        self._stop = stop

    def begin(self) -> Champion | None:
        """Sees to it that there is a champion and, if Redis answers, that it is in force."""
        seed(self._registry)
        try:
            return reconcile(self._registry, self._channel)
        except (StoreUnavailable, Superseded) as error:
            _log.warning("not published, will try again", error=str(error))
            return None

    def once(self) -> Outcome:
        """Retrains once and says in one log line how it ended. Never raises."""
        started = time.monotonic()
        figures: dict[str, Any] = {}
        try:
            outcome = self._leased(figures)
        except Exception as error:
            outcome = Outcome("failed", f"{type(error).__name__}: {error}")
        speak = _log.error if outcome.ended == "failed" else _log.info
        speak(
            "retraining ended",
            **asdict(outcome),
            **figures,
            seconds=round(time.monotonic() - started, 1),
        )
        return outcome

    def _leased(self, figures: dict[str, Any]) -> Outcome:
        try:
            if not self._lease.acquire():
                return Outcome("skipped", "another trainer is at it")
        except StoreUnavailable as error:
            # Alone or not, nothing can be published now; the version tells later who was first.
            _log.warning("training without a lease", error=str(error))
        try:
            self.begin()
            return self._retrain(figures)
        finally:
            with contextlib.suppress(StoreUnavailable):  # it ends by itself
                self._lease.release()

    def _retrain(self, figures: dict[str, Any]) -> Outcome:
        registry = self._registry
        champion = registry.find("champion")
        out = self._new_folder()
        failure = self._fit(out, registry.folder / "bundles" / champion)
        if failure is not None:
            return failure
        candidate = registry.add(bundles.load(out / "bundle"), f"trained, see {out.name}")
        comparison = json.loads((out / "comparison.json").read_text())
        figures["n_patients"] = comparison["n_patients"]
        for side in ("candidate", "champion"):
            for name in ("utility", "auroc", "auprc"):
                figures[f"{side}_{name}"] = comparison[f"{side}_figures"].get(name)
        figures["utility_difference_ci"] = comparison["difference_ci"].get("utility")
        why = comparison["why"]
        if not comparison["better"]:
            if candidate != champion:
                registry.set_challenger(candidate, why)
            return Outcome("kept", why, candidate, champion, registry.aliases().published or None)
        if registry.aliases().champion != champion:
            registry.set_challenger(candidate, "the champion changed during training")
            return Outcome("kept", "the champion changed during training", candidate, champion)
        return self._put_in_force(candidate, champion, why)

    def _put_in_force(self, candidate: str, champion: str, why: str) -> Outcome:
        try:
            # Whoever holds a newer lease decides; and a publication of anybody's in the meantime
            # makes another champion here, against which nothing was compared.
            fenced = self._lease.fence > 0 and not self._lease.is_newest()
            in_force = reconcile(self._registry, self._channel)
            if fenced or in_force.model_id != champion:
                self._registry.set_challenger(candidate, "another trainer was faster")
                return Outcome(
                    "kept", "another trainer was faster", candidate, champion, in_force.version
                )
        except (StoreUnavailable, Superseded) as error:
            _log.warning("not published, will try again", error=str(error))
        self._registry.promote(candidate, why)
        published = self.begin()
        return Outcome(
            "promoted", why, candidate, champion, published.version if published else None
        )

    def _fit(self, out: Path, champion: Path) -> Outcome | None:
        """Runs the child; returns how it failed, ``None`` when it did not."""
        words = [sys.executable, "-m", "trainer", "fit", "--out", str(out), *self._fit_options]
        words += ["--against", str(champion)]
        words += [word for path in self._data for word in ("--data", str(path))]
        log = out / "fit.log"
        with log.open("wb") as output:
            # A session of its own: Ctrl-C on the terminal is for the trainer, which then ends it.
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.setpriority(os.PRIO_PROCESS, child.pid, LOW_PRIORITY)
            try:
                lost = self._watch(child)
            finally:
                _end(child)
        if self._stop.is_set():
            return Outcome("stopped", "the trainer was told to stop")
        if lost:
            return Outcome("skipped", "the lease was lost: another trainer is at it")
        if child.returncode:
            said = log.read_text(errors="replace").strip().splitlines()
            why = f"fit ended with {child.returncode}: {said[-1] if said else 'it said nothing'}"
            return Outcome("failed", f"{why} (more in {log})")
        return None

    def _watch(self, child: subprocess.Popen[bytes]) -> bool:
        """Waits for the child, renewing the lease; true when the lease was lost."""
        renew_at = time.monotonic() + RENEW_S
        while child.poll() is None and not self._stop.wait(POLL_S):
            if self._lease.fence and time.monotonic() >= renew_at:
                renew_at = time.monotonic() + RENEW_S
                try:
                    # A Redis that was away may have let it run out with nobody else there.
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


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
