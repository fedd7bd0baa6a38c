"""Images built and run without a container engine or a registry.

buildah builds them in a chroot, on a stand-in for the official base that debootstrap makes of
Debian's packages; bubblewrap runs what was built, confined as an orchestrator would have it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement

from tests.support.paths import ROOT

TOOLS: Final = ("debootstrap", "buildah", "bwrap")
USER: Final = 10001
_SUITE: Final = "bookworm"
# The official base has no binutils: a build gets them by apt, which may be cut off here.
_PACKAGES: Final = "python3,python3-venv,ca-certificates,binutils"
_BASE: Final = "localhost/vigil-stand-in"
# Read-only, where a site adds the authority of its own mirror of the packages.
_CERTIFICATES: Final = "/etc/ssl/certs"
_DEADLINE_S: Final = 900.0  # debootstrap and a build take half a minute each on an idle machine


def missing() -> str:
    """Why no image can be built here; empty where one can."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    return "" if os.geteuid() == 0 else "debootstrap and buildah's chroot need root"


def locked(lock: str) -> list[Requirement]:
    """The packages that a lock in `deploy/` names, each with its one version."""
    lines = (ROOT / "deploy" / lock).read_text().splitlines()
    return [Requirement(line.removesuffix(" \\")) for line in lines if re.match(r"[a-z]", line)]


class Images:
    """Builds images in a storage of its own.

    Args:
        folder: where the storage is; some 1 GB.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._buildah = [
            "buildah",
            *("--root", str(folder / "storage"), "--runroot", str(folder / "run")),
            *("--storage-driver", "vfs"),
        ]
        self._containers: list[str] = []

    def make_base(self) -> None:
        """Makes the stand-in for the base."""
        base = self._folder / "base"
        words = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(base)]
        _run(words, cwd=self._folder)
        for unneeded in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(base / unneeded)
        container = self._ask("from", "scratch")
        self._ask("copy", "--quiet", container, str(base), "/")
        self._ask("commit", "--quiet", "--rm", container, _BASE)

    def build(self, dockerfile: str) -> str:
        """Builds the image of a Dockerfile in `deploy/` and returns its name."""
        name = f"localhost/vigil-{dockerfile.partition('.')[2]}"
        file = ROOT / "deploy" / dockerfile
        self._ask(
            "build",
            *("--format", "docker"),  # the other one has no HEALTHCHECK
            *("--timestamp", "0"),
            *("--build-arg", f"BASE={_BASE}"),
            *("--volume", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"),
            *("--ignorefile", f"{file}.dockerignore"),
            *("--file", str(file)),
            *("--tag", name),
            str(ROOT),
        )
        return name

    def config(self, name: str) -> dict[str, Any]:
        """What an image says of how it is to be run."""
        inspected = json.loads(self._ask("inspect", "--type", "image", name))
        config: dict[str, Any] = inspected["Docker"]["config"]
        return config

    def unpack(self, name: str) -> Path:
        """The root of an image as a folder, until ``close``."""
        container = self._ask("from", name)
        self._containers.append(container)
        return Path(self._ask("mount", container))

    def close(self) -> None:
        """Lets go of what was unpacked, and removes the storage."""
        for container in self._containers:
            self._ask("umount", container)
            self._ask("rm", container)
        shutil.rmtree(self._folder)

    def _ask(self, *words: str) -> str:
        environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
        return _run([*self._buildah, *words], cwd=self._folder, env=environment)


def confined(root: Path, environment: Mapping[str, str], command: Sequence[str]) -> list[str]:
    """The words that run a command in the root of an image.

    Read-only but for an empty /tmp, as the image's user, without a capability or a process of
    others in sight; the network is this machine's, where the tests' Kafka and Redis are.
    """
    variables = [word for n, v in environment.items() for word in ("--setenv", n, v)]
    return [
        "bwrap",
        *("--ro-bind", str(root), "/", "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"),
        *("--unshare-user", "--uid", str(USER), "--gid", str(USER), "--cap-drop", "ALL"),
        *("--unshare-pid", "--as-pid-1", "--unshare-ipc", "--die-with-parent", "--new-session"),
        *("--chdir", "/tmp", "--clearenv", *variables),
        *command,
    ]


def _run(words: list[str], cwd: Path, env: Mapping[str, str] | None = None) -> str:
    ended = subprocess.run(
        words, cwd=cwd, env=env, capture_output=True, text=True, timeout=_DEADLINE_S, check=False
    )
    if ended.returncode:
        end = "\n".join((ended.stdout + ended.stderr).splitlines()[-30:])
        raise AssertionError(f"{words[0]} exited with {ended.returncode}:\n{end}")
    return ended.stdout.strip()
