"""Laws that keep the tree readable: names, types of documents, sizes of rooms, places of tests."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

PACKAGES = ("streamer", "trainer", "tests", "bench")
FILES = {
    path.relative_to(ROOT): path.read_text()
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
# Words that say how a value came about and not what it is.
EMPTY_NAMES = ("told", "found", "said", "given", "place", "places")
_MAY_BIND = re.compile(rf"\b(?:{'|'.join(EMPTY_NAMES)})\b *(?:[:=,()]|in\b)")
_RIDDLE = re.compile(r'\s*(?:"""|\')(?:What|How|Which|Who|Where)\b')
_LONG = 40  # lines; a shorter module is tested with its neighbours


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(FILES[file])


def bound_names(tree: ast.Module) -> Iterator[str]:
    """Names of values, parameters, attributes, functions and classes that a module makes."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.arg(arg=name) | ast.alias(asname=str(name)) | ast.MatchAs(name=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                yield name


def test_names_say_what_a_value_is() -> None:
    counts = Counter(
        (name, str(file))
        for file, text in FILES.items()
        if _MAY_BIND.search(text)
        for name in bound_names(tree_of(file))
        if name in EMPTY_NAMES
    )
    assert counts.total() <= 20, sorted(counts)


def test_what_is_counted_as_a_name() -> None:
    program = """
def said(told, *, found: int = 0): pass
class given: place = 1
for places in x: y.said = 2
import z as found
except_ = said(found=3)  # neither a call nor a keyword binds
"""
    names = [name for name in bound_names(ast.parse(program)) if name in EMPTY_NAMES]
    assert Counter(names) == Counter(EMPTY_NAMES) + Counter(["said", "found"])


def test_documents_have_types() -> None:
    """`dict[str, Any]` is for what a library or a sender makes, whatever is in it."""
    uses = {str(file): text.count("dict[str, " + "Any]") for file, text in FILES.items()}
    assert sum(uses.values()) <= 60, {file: n for file, n in uses.items() if n}


def test_a_module_begins_with_its_thing() -> None:
    riddles = [str(file) for file, text in FILES.items() if _RIDDLE.match(text)]
    assert len(riddles) <= 5, riddles


def test_functions_take_at_most_seven_arguments() -> None:
    """Ruff refuses an eighth one; each exception has its reason, and commands have options."""
    excepted = [
        (str(file), line)
        for file, text in FILES.items()
        for line in text.splitlines()
        if "noqa: " + "PLR0913" in line
    ]
    assert all(" - " in line.partition("PLR0913")[2] for _, line in excepted), "a reason is missing"
    commands = [
        (str(file), node.name)
        for file in FILES
        if file.parts[:2] in {("streamer", "cli"), ("trainer", "cli")}
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.FunctionDef) and len(node.args.args + node.args.kwonlyargs) > 7
    ]
    assert len(excepted) + len(commands) <= 5, excepted + commands


def test_rooms_are_small() -> None:
    rooms = Counter(file.parent for file in FILES)
    assert rooms[Path("trainer")] <= 9
    assert rooms[Path("tests")] <= 12
    too_large = {str(room): n for room, n in rooms.items() if room.parts[0] == "trainer" and n > 26}
    assert not too_large


def test_modules_have_a_test_of_their_name() -> None:
    modules = [
        file
        for file, text in FILES.items()
        if file.parts[0] in {"streamer", "trainer"}
        and file.name != "__init__.py"
        and text.count("\n") > _LONG
    ]
    without = [str(module) for module in modules if mirror_of(module) not in FILES]
    assert len(without) <= 0.3 * len(modules), without


def mirror_of(module: Path) -> Path:
    """The file that tests a module: the same room, below `tests`."""
    room = module.parent.relative_to("streamer") if module.parts[0] == "streamer" else module.parent
    return Path("tests") / room / f"test_{module.name}"
