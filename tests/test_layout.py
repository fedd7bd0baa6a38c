"""The shape of the tree: which way imports point, how long a file may be, what documents say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.core.rejections import Reason, ValueProblem
from streamer.service.settings import Settings
from trainer.settings import TrainerSettings

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path.relative_to(ROOT)
    for package in ("streamer", "trainer", "bench", "tests")
    for path in (ROOT / package).rglob("*.py")
)
LONGEST = 400
VAGUE = {"utils", "util", "helpers", "common", "manager", "misc"}

# What each part may import of the project; the longest matching prefix counts.
ALLOWED = {
    "streamer/core": {"streamer.core"},
    "streamer/ports": {"streamer.core", "streamer.ports"},
    "streamer/adapters": {"streamer.core", "streamer.ports", "streamer.adapters"},
    "streamer/feeds": {"streamer.core", "streamer.ports", "streamer.adapters", "streamer.feeds"},
    "streamer/sim": {"streamer.core", "streamer.feeds", "streamer.sim"},
    "streamer/local": {"streamer.local"},
    "streamer/service": {
        "streamer.core",
        "streamer.ports",
        "streamer.adapters",
        "streamer.service",
    },
    "streamer/monitor.py": {"streamer.core", "streamer.adapters"},
    "streamer": {"streamer"},
    "trainer": {"trainer", "streamer.core", "streamer.ports", "streamer.adapters"},
    "bench": {"bench", "streamer", "trainer"},
    "tests": {"tests", "bench", "streamer", "trainer"},
}
# The core takes events and states and gives new ones: no clock, file, socket or log.
IMPURE = {"time", "socket", "os", "pathlib", "logging", "structlog", "kafka", "redis", "threading"}


def imported(file: Path) -> set[str]:
    """The modules that a file imports, by their dotted names."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


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
    "file", [f for f in FILES if f.parts[0] == "trainer" and f.name != "__main__.py"], ids=str
)
def test_what_makes_a_bundle_needs_no_comparison_and_no_tutorial(file: Path) -> None:
    above = {"compare", "examples", "cli"}
    if file.parts[1] in above:
        above -= {file.parts[1]} | ({"compare", "examples"} if file.parts[1] == "cli" else set())
    assert not {n for n in imported(file) if n.startswith(tuple(f"trainer.{a}" for a in above))}


@pytest.mark.parametrize("file", [f for f in FILES if f.parts[:2] == ("streamer", "core")], ids=str)
def test_the_core_is_pure(file: Path) -> None:
    assert not {name.split(".")[0] for name in imported(file)} & IMPURE


def test_a_file_holds_one_idea() -> None:
    too_long = {str(f) for f in FILES if len((ROOT / f).read_text().splitlines()) > LONGEST}
    assert not too_long
    assert not {str(f) for f in FILES if f.stem in VAGUE}


@pytest.mark.parametrize("module", ["streamer", "streamer.cli", "trainer.cli"])
def test_commands_start_without_torch(module: str) -> None:
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


def settings_names() -> set[str]:
    names = {f"STREAMER_{name.upper()}" for name in Settings.model_fields}
    names |= {f"TRAINER_{name.upper()}" for name in TrainerSettings.model_fields}
    shared = {"KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"}
    return shared | {n for n in names if n.partition("_")[2] not in shared}


def test_the_readme_lists_every_setting() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(rows) == settings_names()


def test_operations_lists_every_reason_and_problem() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    assert {f"| `{reason}` | {reason.sentence} |" for reason in Reason} <= set(text.splitlines())
    problems = {f"| `{problem}` | {problem.sentence} |" for problem in ValueProblem}
    assert problems <= set(text.splitlines())


@pytest.mark.parametrize("program", ["streamer", "trainer"])
def test_every_command_that_the_readme_names_explains_itself(program: str) -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "docs/operations.md").read_text()
    named = set(re.findall(rf"(?:^|`){program} ([a-z]+)\b", text, re.MULTILINE))
    listed = subprocess.run(
        [sys.executable, "-m", program, "--help"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert named
    for command in named:
        assert re.search(rf"\b{command}\b", listed), command
