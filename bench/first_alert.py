"""Time from a bare clone to the first alert: `python -m bench.first_alert`.

Clones the last commit into a new folder, with a new and empty home, and runs `make demo` there as a
newcomer would: it makes the environment, fetches Kafka, starts everything and prints alerts. Java
and a Redis of the machine's own are used where they are; both come along where they are not.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench.machine import describe

_ROOT: Final = Path(__file__).parents[1]
_MOMENTS: Final = {
    "environment": re.compile(r"^Successfully installed "),
    "servers": re.compile(r"^Kafka 127\."),
    "first alert": re.compile(r"^\d{4}-\d\d-\d\dT\S+ +start "),
}
# Also the variables that lead pip and the download of Kafka through a site's own proxy.
_KEPT: Final = re.compile(r"PATH|LANG|TERM|PIP_.*|SSL_CERT_.*|REQUESTS_CA_BUNDLE|(?i:https?_proxy)")
_STOPS_S: Final = 30.0  # the demo promises its service's ten, and Kafka takes a few


def main() -> int:
    """Measures once and prints a line of Markdown; 1 if no alert came in time."""
    parser = argparse.ArgumentParser(prog="python -m bench.first_alert", description=__doc__)
    parser.add_argument(
        "--deadline", type=float, default=600.0, help="give up after so many seconds (default: 600)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vigil-first-") as folder:
        clone, home = Path(folder) / "clone", Path(folder) / "home"
        home.mkdir(mode=0o700)
        cloning = ["git", "clone", "--quiet", "--no-local", str(_ROOT), str(clone)]
        subprocess.run(cloning, check=True, timeout=120)
        seconds = moments(clone, newcomer(home), arguments.deadline)
        sizes = {name: mebibytes(at) for name, at in ((".venv", clone / ".venv"), ("home", home))}
    print(f"Machine: {describe()}.\n")
    print(
        "| " + " | ".join([*(f"{name}, s" for name in _MOMENTS), ".venv, MiB", "home, MiB"]) + " |"
    )
    print("|---" * (len(_MOMENTS) + len(sizes)) + "|")
    cells = [f"{seconds[name]:.1f}" if name in seconds else "-" for name in _MOMENTS]
    print("| " + " | ".join([*cells, *(f"{size:.0f}" for size in sizes.values())]) + " |")
    return 0 if "first alert" in seconds else 1


def newcomer(home: Path) -> dict[str, str]:
    """The environment of a user who has just logged in for the first time."""
    kept = {n: v for n, v in os.environ.items() if _KEPT.fullmatch(n)}
    return kept | {"HOME": str(home), "STREAMER_HTTP_PORT": "0", "PYTHONUNBUFFERED": "1"}


def moments(clone: Path, environment: Mapping[str, str], deadline_s: float) -> dict[str, float]:
    """Runs `make demo` until its first alert, then ends it as Ctrl-C does.

    Returns:
        Seconds since the start, by the names of ``_MOMENTS``; those that did not come are left out.
    """
    began = time.monotonic()
    seconds: dict[str, float] = {}
    with subprocess.Popen(
        ["make", "demo"],
        cwd=clone,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    ) as demo:
        signal.signal(signal.SIGALRM, lambda *_: end(demo))
        signal.setitimer(signal.ITIMER_REAL, deadline_s)
        try:
            assert demo.stdout is not None
            for line in demo.stdout:
                sys.stderr.write(f"{time.monotonic() - began:7.1f} {line}")
                for name, pattern in _MOMENTS.items():
                    if name not in seconds and pattern.search(line):
                        seconds[name] = time.monotonic() - began
                if "first alert" in seconds:
                    break
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            end(demo)
    return seconds


def end(demo: subprocess.Popen[str]) -> None:
    """Ends the demo and all that it started: by Ctrl-C, or killed after ``_STOPS_S``."""
    if demo.poll() is not None:
        return
    os.killpg(demo.pid, signal.SIGINT)
    try:
        demo.wait(_STOPS_S)
    except subprocess.TimeoutExpired:
        os.killpg(demo.pid, signal.SIGKILL)  # its servers die with it
        demo.wait()


def mebibytes(folder: Path) -> float:
    """Disk space of the files in a folder, in MiB; a file with two names counts once."""
    blocks = {
        (stat.st_dev, stat.st_ino): stat.st_blocks
        for path in folder.rglob("*")
        if (stat := path.lstat())
    }
    return 512 * sum(blocks.values()) / 2**20


if __name__ == "__main__":
    sys.exit(main())
