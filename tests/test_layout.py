"""The shape of the tree: the direction of imports and the length of files."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FILES = sorted(
    path.relative_to(ROOT)
    for package in ("streamer", "trainer", "bench", "tests")
    for path in (ROOT / package).rglob("*.py")
)
LONGEST = 400
VAGUE = {"utils", "util", "helpers", "common", "manager", "misc"}

# The imports within the project that each part may have; the longest matching prefix counts.
_CORE = {"streamer.core"}
_PORTS = _CORE | {"streamer.ports"}
_EDGE = _PORTS | {"streamer.adapters", "streamer.bundles", "streamer.datasets"}
_PROCESS = {"streamer.process"}
_SERVICE = _EDGE | _PROCESS | {"streamer.service"}
ALLOWED = {
    "streamer/core": _CORE,
    "streamer/ports": _PORTS,
    "streamer/bundles": _CORE | {"streamer.bundles"},
    "streamer/datasets": _CORE | {"streamer.datasets"},
    "streamer/adapters": _PORTS | {"streamer.adapters"},
    "streamer/adapters/redis": _PORTS | {"streamer.adapters", "streamer.bundles"},
    "streamer/adapters/memory": _PORTS | {"streamer.adapters", "streamer.bundles"},
    "streamer/feeds": _EDGE | {"streamer.feeds"},
    "streamer/sim": _CORE | {"streamer.feeds", "streamer.sim"},
    "streamer/local": {"streamer.local"},
    "streamer/process": _PROCESS,
    "streamer/service": _SERVICE,
    "streamer/diagnose": _SERVICE | {"streamer.diagnose"},
    "streamer/board": _SERVICE | {"streamer.board"},
    "streamer/monitor.py": _CORE | {"streamer.bundles"},
    "streamer": {"streamer"},
    "trainer": _EDGE | _PROCESS | {"trainer"},
    # Kafka is reached as the service reaches it, by the same settings.
    "trainer/cli/archive.py": _SERVICE | {"trainer"},
    # The demonstration runs everything there is.
    "trainer/cli/demo.py": {"streamer", "trainer"},
    "trainer/loop/demo.py": {"streamer", "trainer"},
    "bench": {"bench", "streamer", "trainer"},
    # They judge the product, and share nothing with it.
    "bench/independent_oracle": {"bench.independent_oracle"},
    "bench/invented_log.py": {"bench.independent_oracle"},
    "bench/metamorphic.py": {"bench.independent_oracle"},
    "tests": {"tests", "bench", "streamer", "trainer"},
}
# The rooms of the trainer, from below; each imports only from rooms on lower floors.
FLOORS = (
    ("atomic", "errors", "progress", "settings"),
    ("archive",),
    ("data",),
    ("metrics",),
    ("decisions",),
    ("training", "registry"),
    ("forecast",),
    ("reports",),
    ("evaluate",),
    ("fit",),
    ("recalibrate", "explain", "tune"),
    ("compare", "loop"),
    ("examples",),
    ("cli",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
_NO_CLIENTS = {"board", "service", "diagnose", "cli"}
# Libraries of the extra `board`, used by its room alone.
BOARD_LIBRARIES = {"starlette", "uvicorn", "sse_starlette", "argon2", "itsdangerous", "anyio"}
# Of the board's room, what the fold and the cards are made of: pure, like the core.
PURE_OF_BOARD = {
    "alert_fold", "api", "attempts", "audit", "burden", "cards", "messages", "system", "ward_fold"
}  # fmt: skip
# Libraries that only the trainer needs.
TRAINING_LIBRARIES = {"torch", "sklearn", "lightgbm", "matplotlib", "optuna"}
# The core turns events and states into new ones, without clock, file, socket or log.
IMPURE = {"time", "socket", "os", "pathlib", "logging", "structlog", "kafka", "redis", "threading"}


@cache  # several tests ask about each file
def imported(file: Path) -> frozenset[str]:
    """The modules that a file imports, by their dotted names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def part_of(file: Path) -> str:
    return max((part for part in ALLOWED if str(file).startswith(part)), key=len)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_point_one_way(file: Path) -> None:
    allowed = ALLOWED[part_of(file)]
    ours = {
        name for name in imported(file) if name.split(".")[0] in {"streamer", "trainer", "bench"}
    }
    wrong = {n for n in ours if not any(n == a or n.startswith(f"{a}.") for a in allowed)}
    assert not wrong


@pytest.mark.parametrize(
    "file",
    [f for f in FILES if f.parts[0] == "trainer" and not f.parts[1].startswith("__")],
    ids=str,
)
def test_rooms_of_the_trainer_import_from_lower_floors_only(file: Path) -> None:
    room = file.parts[1].removesuffix(".py")
    rooms = {name.split(".")[1] for name in imported(file) if name.startswith("trainer.")}
    upward = {r for r in rooms - {room} if r in FLOOR and FLOOR[r] >= FLOOR[room]}
    assert not upward


@pytest.mark.parametrize(
    "file",
    [f for f in FILES if f.parts[0] == "streamer" and f.parts[1] in _NO_CLIENTS],
    ids=str,
)
def test_only_adapters_use_the_clients_of_kafka_and_redis(file: Path) -> None:
    assert not {name.split(".")[0] for name in imported(file)} & {"kafka", "redis"}


@pytest.mark.parametrize("file", [f for f in FILES if f.parts[:2] == ("streamer", "core")], ids=str)
def test_the_core_is_pure(file: Path) -> None:
    assert not {name.split(".")[0] for name in imported(file)} & IMPURE


@pytest.mark.parametrize("name", sorted(PURE_OF_BOARD))
def test_the_fold_of_the_board_is_pure(name: str) -> None:
    file = Path("streamer/board") / f"{name}.py"
    assert not {name.split(".")[0] for name in imported(file)} & (IMPURE | BOARD_LIBRARIES)


@pytest.mark.parametrize(
    "file",
    [f for f in FILES if f.parts[0] == "streamer" and f.parts[1] != "board"],
    ids=str,
)
def test_only_the_board_imports_its_libraries(file: Path) -> None:
    """`streamer run` needs no extra."""
    assert not {name.partition(".")[0] for name in imported(file)} & BOARD_LIBRARIES


@pytest.mark.parametrize("file", [f for f in FILES if f.parts[0] == "streamer"], ids=str)
def test_the_streamer_imports_no_training_library(file: Path) -> None:
    assert not {name.partition(".")[0] for name in imported(file)} & TRAINING_LIBRARIES
    assert not {name for name in imported(file) if name.startswith("safetensors.torch")}


def test_a_file_holds_one_idea() -> None:
    too_long = {str(f) for f in FILES if len((ROOT / f).read_text().splitlines()) > LONGEST}
    assert not too_long
    assert not {str(f) for f in FILES if f.stem in VAGUE}


@pytest.mark.parametrize(
    "module",
    ["streamer", "streamer.cli", "streamer.monitor", "streamer.service.bootstrap", "trainer.cli"],
)
def test_commands_start_without_training_libraries(module: str) -> None:
    program = f"import sys, {module}; print(*{TRAINING_LIBRARIES} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert not done.stdout.strip()


def test_a_stay_is_scored_where_no_training_library_can_be_imported() -> None:
    event = {"patient_id": "p", "time": 1_767_225_600_000, "values": {"heart_rate": 90}}
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({TRAINING_LIBRARIES}));"
        f"from streamer import Monitor; print(Monitor().update({event!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "risk" in done.stdout
