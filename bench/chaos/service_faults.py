"""Faults of services: killed, stopped, frozen, crashed at a point, added, removed."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.error import HTTPError

import psutil

from bench.chaos.fault_lane import FaultLane, deck
from bench.chaos.tally import Tally
from bench.services import ServiceProcess
from streamer.local import ports
from streamer.service.faults import POINTS

SESSION_TIMEOUT_S: Final = 6.0  # the shortest that brokers allow by default
_PAST_THE_TIMEOUT_S: Final = SESSION_TIMEOUT_S + 2.0

_ANYWHERE: Final = (
    "service killed (-9)",
    "service stopped and started",
    "service frozen, woken in time",
    "service frozen past its session",
)
_CRASHES: Final = tuple(f"service crashed: {point}" for point in POINTS)
# Points where a process that others take for dead wakes up with a batch in its hands.
_ZOMBIES: Final = tuple(
    f"service frozen past its session: {point}"
    for point in ("before_transaction", "in_transaction", "after_transaction")
)
_ENDINGS: Final = (*_ANYWHERE, *_CRASHES, *_ZOMBIES)
_JOINED: Final = "consumer added"
_LEAVING: Final = ("consumer removed in order", "consumer removed (-9)")
KINDS: Final = (*_ENDINGS, _JOINED, *_LEAVING)

# Ready within 3 s on an idle machine. Meanwhile other lanes may keep Kafka or Redis away.
_READY_DEADLINE_S: Final = 20.0
# Batches come every 50 ms; an outage of something else may hold them up.
_POINT_DEADLINE_S: Final = 30.0
_MOST_PASSINGS: Final = 12
_POLL_S: Final = 0.05


class Service:
    """A `streamer run` with a name of its own in the group and a port that reports readiness."""

    def __init__(self, variables: dict[str, str], name: str, folder: Path) -> None:
        self.log = folder / f"{name}.log"
        self._variables = variables | {"STREAMER_INSTANCE": name}
        self._process: ServiceProcess | None = None
        self._port = 0

    def start(self, fault: str = "") -> None:
        """Starts the process; ``fault`` is its STREAMER_FAULT, empty for none."""
        self._port = ports.choose(None, "the service")
        variables = {"STREAMER_HTTP_PORT": str(self._port), "STREAMER_FAULT": fault}
        process = ServiceProcess(self._variables | variables, self.log)
        process.start()
        self._process = process  # another thread watches it: never one that is not there yet

    @property
    def alive(self) -> bool:
        """Whether the process exists, frozen or not."""
        return self._process is not None and self._process.exit_code is None

    @property
    def frozen(self) -> bool:
        """Whether the process was stopped by SIGSTOP."""
        if not self.alive:
            return False
        try:
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)
        except psutil.NoSuchProcess:
            return False

    @property
    def crashed(self) -> bool:
        """Whether the process ended by SIGKILL."""
        return self._process is not None and self._process.exit_code == -signal.SIGKILL

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def not_ready(self) -> str | None:
        """The reason why the service is not ready; ``None`` when it is."""
        try:
            return self._ask_readiness()
        # Also one amid the answer, of a service that is frozen.
        except (OSError, HTTPException) as error:
            return str(error)

    def _ask_readiness(self) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=2):
                return None
        except HTTPError as answer:
            return answer.read().decode()

    def signal(self, number: signal.Signals) -> None:
        """Sends the process a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Sends SIGKILL; does nothing when the process has ended."""
        if self._process is not None and self.alive:
            self._process.kill()

    def stop(self) -> None:
        """Sends SIGTERM, and SIGKILL after the deadline; does nothing when it has ended."""
        if self._process is not None:
            self._process.stop()


class ServiceLane(FaultLane):
    """One member of the group; each fault ends its process or freezes it."""

    def __init__(self, seed: int, deck_start: float, service: Service, tally: Tally) -> None:
        cards = deck(seed, "services", _ENDINGS, deck_start)
        super().__init__(service.log.stem, seed, cards, (0.2, 1.5), tally)
        self.service = service

    def strike(self, kind: str) -> str | None:
        """See ``FaultLane``. A process starts, runs a while, and ends or freezes, as ``kind``."""
        _, _, point = kind.partition(": ")
        if point:
            return self._at_point(kind, point)
        if not self.service.alive:
            self.service.start()
        if not _until_ready(self.service):
            return None
        self.stopping.wait(self.draws.uniform(0, 6))
        match kind:
            case "service killed (-9)":
                self.service.kill()
            case "service stopped and started":
                self.service.stop()
            case "service frozen, woken in time":
                self._freeze(self.draws.uniform(0.5, 3))
            case "service frozen past its session":
                self._freeze(_PAST_THE_TIMEOUT_S)
        return kind

    def _at_point(self, kind: str, point: str) -> str | None:
        most = 3 if point == "after_take" else _MOST_PASSINGS
        action = "stop" if "frozen" in kind else "kill"
        self.service.stop()
        self.service.start(f"{point}@{self.draws.randint(1, most)}:{action}")
        give_up_at = time.monotonic() + _POINT_DEADLINE_S
        while self.service.alive and not self.service.frozen:
            if time.monotonic() > give_up_at or self.stopping.wait(_POLL_S):
                self.service.kill()  # it never came to the point: a plain kill
                return "service killed (-9)"
        if self.service.frozen:
            time.sleep(_PAST_THE_TIMEOUT_S)
            self.service.signal(signal.SIGCONT)
            self.stopping.wait(self.draws.uniform(1, 4))  # time to notice that it was replaced
            return kind
        return kind if self.service.crashed else None

    def _freeze(self, seconds: float) -> None:
        self.service.signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self.service.signal(signal.SIGCONT)


class ExtraServiceLane(FaultLane):
    """One more service that joins and leaves."""

    def __init__(self, seed: int, service: Service, tally: Tally) -> None:
        cards = deck(seed, "crowd", _LEAVING)
        super().__init__(service.log.stem, seed, cards, (2.0, 8.0), tally)
        self.service = service

    def strike(self, kind: str) -> str | None:
        """See ``FaultLane``."""
        self.service.start()
        try:
            if not _until_ready(self.service):
                return None
            self.tally.note(_JOINED)
            self.stopping.wait(self.draws.uniform(2, 8))
        finally:
            if kind == "consumer removed (-9)":
                self.service.kill()
            self.service.stop()
        return kind


def _until_ready(service: Service) -> bool:
    """Waits until a service is ready, or until the deadline: another fault may keep it from that.

    Returns:
        Whether the process exists.
    """
    give_up_at = time.monotonic() + _READY_DEADLINE_S
    while service.alive and service.not_ready() is not None and time.monotonic() < give_up_at:
        time.sleep(_POLL_S)
    return service.alive
