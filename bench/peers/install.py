"""The peers' environment, `.venv-peers`: made once from pinned versions, without a second torch.

Each peer is installed by itself, so that a failure of one does not stop the others; a peer that
cannot be installed is recorded with the reason.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

FOLDER: Final = Path(".venv-peers")
PINS: Final = Path(__file__).with_name("requirements.txt")
PACKAGES: Final = {
    "quix": ("quixstreams",),
    "bytewax": ("bytewax", "confluent-kafka"),
    "faust": ("faust-streaming", "faust-streaming-rocksdb"),
}
"""The packages that pip installs, by peer."""
_SHARED: Final = "service.pth"
_DEADLINE_S: Final = 300.0


def environment(folder: Path = FOLDER, pins: Path = PINS) -> tuple[Path, dict[str, str]]:
    """Makes the environment if it is missing or out of date.

    Returns:
        Its Python, and the reason for each peer that cannot be used.
    """
    folder = folder.absolute()
    python = folder / "bin" / "python"
    stamp = folder / "installed.json"
    version = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists():
        known = json.loads(stamp.read_text())
        if known["version"] == version:
            _share(folder)
            return python, known["missing"]
    print(f"Installing the peers into {folder.name} (once, a minute)", file=sys.stderr, flush=True)
    venv.create(folder, clear=True, symlinks=os.name != "nt")
    missing = dict[str, str]()
    for peer, packages in PACKAGES.items():
        reason = _install(python, packages, pins)
        if reason is not None:
            missing[peer] = reason
            print(f"{peer} cannot be installed: {reason}", file=sys.stderr, flush=True)
    _share(folder)
    stamp.write_text(json.dumps({"version": version, "missing": missing}))
    return python, missing


def _install(python: Path, packages: Sequence[str], pins: Path) -> str | None:
    """Installs packages at their pinned versions; returns the reason of a failure, in a line."""
    command = [sys.executable, "-m", "pip", "--python", str(python), "install",
               "--disable-pip-version-check", "--no-input", "--quiet", "--only-binary", ":all:",
               "-c", str(pins), *packages]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_DEADLINE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"pip did not end within {_DEADLINE_S:.0f} s"
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    return (
        errors[0].removeprefix("ERROR:").strip() if errors else f"pip ended with {done.returncode}"
    )


def _share(folder: Path) -> None:
    """Lets the peers see the packages of this environment, behind their own."""
    purelib = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    lines = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (Path(purelib) / _SHARED).write_text("\n".join(lines) + "\n")
