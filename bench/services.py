"""Service processes for measurements and tests: started, ended in order, or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from streamer.local import LocalStack
from streamer.local.spawner import spawn
from streamer.service.settings import Settings
from streamer.service.topics import ensure_topics, wanted

STOP_DEADLINE_S: Final = 15.0  # the service promises ten
RUN: Final = (sys.executable, "-m", "streamer", "run")


class ServiceProcess:
    """One `streamer run`, as users start it, or another ``command``, configured by environment."""

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        *arguments: str,
        command: Sequence[str] = RUN,
    ) -> None:
        self._environment = environment
        self._log = log
        self._command = (*command, *arguments)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process; it joins the group some seconds later."""
        # `env` sets what differs from this process, so that the child is tied to it like others.
        settings = [f"{name}={value}" for name, value in self._environment.items()]
        with self._log.open("ab") as output:
            self._process = spawn(["/usr/bin/env", *settings, *self._command], Path.cwd(), output)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, ``None`` while the process exists."""
        assert self._process is not None
        return self._process.poll()

    @property
    def log(self) -> str:
        """The log of the process so far."""
        return self._log.read_text(errors="replace")

    def wait(self, deadline_s: float = STOP_DEADLINE_S) -> int:
        """Waits for the end and returns the exit code."""
        assert self._process is not None
        return self._process.wait(deadline_s)

    def terminate(self) -> tuple[int, float]:
        """Sends SIGTERM; returns the exit code and the seconds until the end."""
        began = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        return self.wait(), time.monotonic() - began

    def kill(self) -> None:
        """Sends SIGKILL: the process cannot finish anything."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        """Ends the process if it still runs: in order, or killed after the deadline."""
        if self._process is not None and self.exit_code is None:
            try:
                self.terminate()
            except subprocess.TimeoutExpired:
                self.kill()


def environment(stack: LocalStack, prefix: str, **settings: str | float) -> dict[str, str]:
    """The environment variables of a service: addresses, and topics and a group with a prefix."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": stack.kafka,
        "REDIS_URL": stack.redis,
        "STREAMER_HTTP_PORT": "0",
        "STREAMER_ALLOW_UNSIGNED_MODELS": "true",
        "STREAMER_GROUP": f"{prefix}vigil",
        "STREAMER_TOPIC_VITALS": f"{prefix}vitals",
        "STREAMER_TOPIC_ALERTS": f"{prefix}alerts",
        "STREAMER_TOPIC_RISK": f"{prefix}risk",
        "STREAMER_TOPIC_STAYS": f"{prefix}stays",
        "STREAMER_TOPIC_REJECTED": f"{prefix}vitals.rejected",
        "STREAMER_TOPIC_STATES": f"{prefix}states",
        "STREAMER_TOPIC_OUTCOMES": f"{prefix}outcomes",
        "STREAMER_TOPIC_RISK_CANARY": f"{prefix}risk.canary",
        "STREAMER_TOPIC_ALERTS_CANARY": f"{prefix}alerts.canary",
        **{f"STREAMER_{name.upper()}": str(value) for name, value in settings.items()},
    }


def settings_of(variables: Mapping[str, str]) -> Settings:
    """The ``Settings`` that a service reads from these variables."""
    return Settings.model_validate(
        {name.removeprefix("STREAMER_").lower(): value for name, value in variables.items()}
    )


@contextmanager
def running(services: Sequence[ServiceProcess]) -> Iterator[None]:
    """Starts services and stops those that still run at the end."""
    try:
        for service in services:
            service.start()
        yield
    finally:
        for service in services:
            service.stop()


def ensure_topics_of_any_time(settings: Settings) -> None:
    """Creates all topics; that of the vitals takes any record timestamp, as older brokers do.

    It is created so: a broker applies a change of a setting some time after it has answered, and
    what is refused until then ends its producer for good.
    """
    any_time = {"message.timestamp.after.max.ms": str(2**63 - 1)}
    vitals, *others = wanted(settings)
    ensure_topics(settings, [replace(vitals, configs={**vitals.configs, **any_time}), *others])
