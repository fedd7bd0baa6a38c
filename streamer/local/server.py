"""`Server`: a server process on this machine that can be started, stopped, killed, restarted."""

import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from streamer.local import ports
from streamer.local.errors import LocalStackError
from streamer.local.spawner import spawn

# Kafka is up in 2-3 s on an idle machine, 6 s after a crash; room for a busy two-core CI machine.
START_DEADLINE_S = 90.0
# An orderly stop takes under 1 s on an idle machine; `streamer up` has to be gone well within the
# 10 s that container engines give before they kill.
STOP_DEADLINE_S = 7.0
_POLL_S = 0.05
_LOG_LINES_SHOWN = 15


class Server(ABC):
    """A server process with a folder of its own and a fixed loopback port.

    Port and data stay the same when it is killed and started again, as tests of outages do.

    Attributes:
        port: its port on 127.0.0.1.
        folder: its data, settings and logs.
    """

    name: str

    def __init__(self, folder: Path, port: int, held: Sequence[int] = ()) -> None:
        self.folder = folder
        self.port = port
        self._held = held
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _prepare(self) -> list[str]:
        """Write what the server needs into its folder and return the command that runs it."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server works, by one request over the network, without waiting."""

    @property
    def _output(self) -> Path:
        return self.folder / "output.log"

    @property
    def _logs(self) -> Sequence[Path]:
        """Log files that show why it does not run, the most useful one last."""
        return (self._output,)

    @property
    def running(self) -> bool:
        """Whether the process exists."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the server itself.

        Raises:
            LocalStackError: it was not started.
        """
        if self._process is None:
            raise LocalStackError(f"{self.name} was not started")
        return self._process.pid

    def launch(self) -> None:
        """Start the process without waiting for it to answer.

        Raises:
            LocalStackError: it runs already, its port is in use, or its folder cannot be written.
        """
        if self.running:
            raise LocalStackError(f"{self.name} runs already")
        ports.choose(self.port, self.name)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)  # a folder of an earlier version may be open to others
            command = self._prepare()
            with self._output.open("ab") as output:
                self._process = spawn(command, self.folder, output, self._held)
        except OSError as error:
            raise LocalStackError(f"{self.name} cannot be started: {error}") from error

    def wait_until_ready(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Wait until the launched server answers.

        Raises:
            LocalStackError: it ended, or did not answer in time; the message has its log's end.
        """
        give_up_at = time.monotonic() + deadline_s
        while not self._answers():
            if not self.running:
                self._forget()
                raise LocalStackError(f"{self.name} ended while starting. {self._log_end()}")
            if time.monotonic() > give_up_at:
                raise LocalStackError(
                    f"{self.name} did not answer within {deadline_s:.0f} s. {self._log_end()}"
                )
            time.sleep(_POLL_S)

    def start(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Launch the server and wait until it answers; on failure no process is left.

        Raises:
            LocalStackError: see `launch` and `wait_until_ready`.
        """
        try:
            self.launch()
            self.wait_until_ready(deadline_s)
        except BaseException:
            self.kill()
            raise

    def stop(self, deadline_s: float = STOP_DEADLINE_S) -> None:
        """Stop with SIGTERM, and with SIGKILL if that takes longer than the deadline."""
        self.ask_to_stop()
        self.wait_until_stopped(deadline_s)

    def ask_to_stop(self) -> None:
        """Send SIGTERM and return at once."""
        if self._process is not None:
            self._process.terminate()

    def wait_until_stopped(self, deadline_s: float = STOP_DEADLINE_S) -> None:
        """Wait for a server that was asked to stop; SIGKILL if it takes longer."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(deadline_s)
            self.kill()

    def kill(self) -> None:
        """End the process at once (SIGKILL), as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._forget()

    def restart(self, deadline_s: float = START_DEADLINE_S) -> None:
        """Stop with SIGTERM and start again with the same port and data."""
        self.stop()
        self.start(deadline_s)

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _log_end(self) -> str:
        written = [path for path in self._logs if path.is_file() and path.stat().st_size]
        if not written:
            return f"It wrote no log in {self.folder}"
        lines = written[-1].read_text(errors="replace").splitlines()
        useful = [line for line in lines if not line.startswith("\tat ")]  # Java's stack traces
        return "\n".join([f"The end of {written[-1]}:", *useful[-_LOG_LINES_SHOWN:]])
