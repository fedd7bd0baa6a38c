"""The shape of the tree: the direction of imports and the length of files."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable
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
    "streamer/local": _PROCESS | {"streamer.local"},
    "streamer/process": _PROCESS,
    "streamer/service": _SERVICE,
    "streamer/diagnose": _SERVICE | {"streamer.diagnose"},
    "streamer/board": _SERVICE | {"streamer.board"},
    "streamer/canary": _SERVICE | {"streamer.canary"},
    "streamer/monitor.py": _CORE | {"streamer.bundles"},
    "streamer": {"streamer"},
    "trainer": _EDGE | _PROCESS | {"trainer"},
    # Kafka is reached as the service reaches it, by the same settings.
    "trainer/cli/archive.py": _SERVICE | {"trainer", "streamer.cli.listening"},
    "trainer/archive/series.py": _SERVICE | {"trainer"},
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
    ("scoring",),
    ("training", "registry"),
    ("forecast",),
    ("reports",),
    ("evaluate",),
    ("fit",),
    ("recalibrate", "explain", "tune", "notebook"),
    ("compare", "loop"),
    ("examples",),
    ("cli",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
_NO_CLIENTS = {"board", "canary", "service", "diagnose", "cli"}
# Libraries of the extra `board`, used by its room alone.
BOARD_LIBRARIES = {"starlette", "uvicorn", "sse_starlette", "argon2", "itsdangerous", "anyio"}
# Of the board's room, what the fold and the cards are made of: pure, like the core.
PURE_OF_BOARD = {
    "alert_fold", "api", "attempts", "audit", "burden", "cards", "messages", "system", "ward_fold"
}  # fmt: skip
# Of the canary's room, what decides how a probe ends.
PURE_OF_CANARY = {"golden", "probes", "watch"}
# Libraries that only the trainer needs.
TRAINING_LIBRARIES = {"torch", "sklearn", "lightgbm", "matplotlib", "optuna"}
# The core turns events and states into new ones, without clock, file, socket or log.
IMPURE = {"time", "socket", "os", "pathlib", "logging", "structlog", "kafka", "redis", "threading"}


Imports = dict[Path, frozenset[str]]  # the modules that each file imports, by dotted names


@pytest.fixture(scope="module")
def imports() -> Imports:
    return {file: imported(file) for file in FILES}


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


def of_packages(imports: Imports, files: Iterable[Path], packages: set[str]) -> dict[str, set[str]]:
    """What these files import of these packages, by file; files that import nothing of them not."""
    files = list(files)
    assert files
    return {
        str(file): names
        for file in files
        if (names := {name for name in imports[file] if name.partition(".")[0] in packages})
    }


def test_imports_point_one_way(imports: Imports) -> None:
    ours = of_packages(imports, FILES, {"streamer", "trainer", "bench"})
    wrong = {
        file: upward
        for file, names in ours.items()
        if (upward := {name for name in names if not _is_allowed(name, part_of(Path(file)))})
    }
    assert not wrong


def _is_allowed(name: str, part: str) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in ALLOWED[part])


def test_rooms_of_the_trainer_import_from_lower_floors_only(imports: Imports) -> None:
    files = [f for f in FILES if f.parts[0] == "trainer" and not f.parts[1].startswith("__")]
    wrong = {}
    for file, names in of_packages(imports, files, {"trainer"}).items():
        room = Path(file).parts[1].removesuffix(".py")
        rooms = {name.split(".")[1] for name in names if "." in name} - {room}
        if upward := {r for r in rooms if r in FLOOR and FLOOR[r] >= FLOOR[room]}:
            wrong[file] = upward
    assert not wrong


def test_only_adapters_use_the_clients_of_kafka_and_redis(imports: Imports) -> None:
    files = [f for f in FILES if f.parts[0] == "streamer" and f.parts[1] in _NO_CLIENTS]
    assert not of_packages(imports, files, {"kafka", "redis"})


def test_the_core_is_pure(imports: Imports) -> None:
    files = [f for f in FILES if f.parts[:2] == ("streamer", "core")]
    assert not of_packages(imports, files, IMPURE)


def test_the_fold_of_the_board_is_pure(imports: Imports) -> None:
    files = [Path("streamer/board") / f"{name}.py" for name in PURE_OF_BOARD]
    assert not of_packages(imports, files, IMPURE | BOARD_LIBRARIES)


def test_what_judges_a_canary_is_pure(imports: Imports) -> None:
    files = [Path("streamer/canary") / f"{name}.py" for name in PURE_OF_CANARY]
    assert not of_packages(imports, files, IMPURE)


def test_only_the_board_imports_its_libraries(imports: Imports) -> None:
    """`streamer run` needs no extra."""
    files = [f for f in FILES if f.parts[0] == "streamer" and f.parts[1] != "board"]
    assert not of_packages(imports, files, BOARD_LIBRARIES)


def test_the_streamer_imports_no_training_library(imports: Imports) -> None:
    files = [f for f in FILES if f.parts[0] == "streamer"]
    assert not of_packages(imports, files, TRAINING_LIBRARIES)
    stored = of_packages(imports, files, {"safetensors"}).values()
    assert not [n for names in stored for n in names if n.startswith("safetensors.torch")]


def test_a_file_holds_one_idea() -> None:
    too_long = {str(f) for f in FILES if len((ROOT / f).read_text().splitlines()) > LONGEST}
    assert not too_long
    assert not {str(f) for f in FILES if f.stem in VAGUE}


def test_commands_start_without_training_libraries() -> None:
    program = (
        "import sys, streamer, streamer.cli, streamer.monitor, streamer.service.bootstrap,"
        f"trainer.cli; print(*{TRAINING_LIBRARIES} & sys.modules.keys())"
    )
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
