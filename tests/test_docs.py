"""Documents and code agree: settings, reasons of rejection, commands, names of files, links."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from bench.chaos import report as chaos_report
from streamer.adapters.redis import states
from streamer.adapters.redis.local import default_url
from streamer.core.reasons import Reason, Refusal, ValueProblem
from streamer.process.environment import EnvironmentSettings, fault_lines
from streamer.service.settings import Settings
from tests.support.paths import ROOT
from trainer.compare.report import page as comparison_page
from trainer.settings import TrainerSettings

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FOLDERS = ("streamer", "trainer", "bench", "tests", "docs", "deploy")
TREE = [
    path
    for folder in FOLDERS
    for path in (ROOT / folder, *(ROOT / folder).rglob("*"))
    if "__pycache__" not in path.parts
]
ENDS = {
    f"/{ending}"
    for path in TREE
    for parts in [path.relative_to(ROOT).parts]
    for start in range(len(parts))
    for ending in ["/".join(parts[start:])]
}
"""Each file and folder by every short form: `/streamer/core/x.py`, `/core/x.py`, `/x.py`."""
SHARED = {"KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"}
"""Settings whose names have no prefix."""


def setting_row(variable: str, field: FieldInfo) -> str:
    """The row of the README's table for a setting, as its field describes it."""
    # The default URL has the password of the Redis that `streamer up` runs at this moment.
    announced = field.default_factory is default_url
    default = "redis://127.0.0.1:6379/0" if announced else field.default
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    text = str(default).lower() if isinstance(default, bool) else str(default)
    # Where nothing is the default, an empty value is an error: the program says to unset it.
    shown = "(unset)" if default is None else f"`{text}`" if text else "(empty)"
    return f"| `{variable}` | {shown} | {field.description} |"


def faults_of(program: type[EnvironmentSettings]) -> list[str]:
    """What is wrong with the environment."""
    try:
        program()
    except ValidationError as error:
        return fault_lines(error)
    return []


def setting_rows() -> list[str]:
    """The table of the README; of a setting that both programs read, the streamer's words."""
    rows: dict[str, str] = {}
    programs: tuple[type[BaseSettings], ...] = (Settings, TrainerSettings)
    for program in programs:
        prefix = str(program.model_config["env_prefix"])
        for name, field in program.model_fields.items():
            variable = name.upper() if name.upper() in SHARED else prefix + name.upper()
            rows.setdefault(variable, setting_row(variable, field))
    return list(rows.values())


def test_the_readme_lists_every_setting_as_the_code_describes_it() -> None:
    text = (ROOT / "README.md").read_text()
    assert re.findall(r"^\| `[A-Z_]+` \|.*$", text, re.MULTILINE) == setting_rows()


@pytest.mark.parametrize("program", [Settings, TrainerSettings])
def test_what_the_readme_calls_empty_may_be_set_to_nothing(
    program: type[EnvironmentSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for field, meta in program.model_fields.items():
        row = setting_row(program.variable(field), meta)
        if "| (empty) |" in row or "| (unset) |" in row:
            with monkeypatch.context() as environment:
                environment.setenv(program.variable(field), "")
                lines = faults_of(program)
            unset = f"{program.variable(field)}: is empty: unset it, or give it a value"
            assert (unset in lines) == ("| (unset) |" in row), row


def test_operations_names_every_secret_that_a_file_may_hold() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    (part,) = re.findall(r"^Each secret may come from a file.*?^No output", page, re.M | re.S)
    assert sorted(re.findall(r"`(\w+_FILE)`", part)) == sorted(
        {
            f"{program.variable(field)}_FILE"
            for program in (Settings, TrainerSettings)
            for field in program.secret_fields()
        }
    )


def test_every_setting_that_is_named_anywhere_exists() -> None:
    """In pages, programs and deployment; a name that ends with `_` stands for several.

    Whoever exports one that is no setting, for a script, ends every command with 2.
    """
    known = {"STREAMER_PARTITION"}  # a slip of the pen, in an example of `did_you_mean`
    for program in (Settings, TrainerSettings):
        known |= {program.variable(field) for field in program.model_fields}
        known |= {f"{program.variable(field)}_FILE" for field in program.secret_fields()}
    sources = [path for name in ("streamer", "trainer") for path in (ROOT / name).rglob("*.py")]
    deployed = [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]
    deployed += [ROOT / name for name in ("docker-compose.yml", "Makefile")]
    text = "".join(path.read_text() for path in [*PAGES, *sources, *deployed])
    named = set(re.findall(r"\b(?:STREAMER|TRAINER)_[A-Z][A-Z0-9_]*[A-Z0-9]\b(?!_)", text))
    assert len(named) > 90
    assert named <= known


def test_the_page_on_security_names_the_fields_of_a_patient_in_redis() -> None:
    page = (ROOT / "docs/security.md").read_text()
    assert f"CRC-32 of the id modulo {states._HOME_HASHES}" in page
    (python,) = re.findall(r"^python3 -c '(.+)'$", page, re.MULTILINE)
    shown = subprocess.run([sys.executable, "-c", python], capture_output=True, check=True)
    store = states.RedisStates(cast("Any", None), "vigil:GROUP", "vitals")
    ((key, _),) = store._home_hashes("ID", [b"PATIENT"])
    assert f"HDEL '{key.replace('/h' + shown.stdout.decode().strip(), '/h17')}' PATIENT" in page
    assert f"HDEL '{store.key(3)}' '{states._STAY.decode()}PATIENT'" in page


def test_operations_lists_every_reason_and_problem() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    assert {f"| `{reason}` | {reason.sentence} |" for reason in Reason} <= set(text.splitlines())
    problems = {f"| `{problem}` | {problem.sentence} |" for problem in ValueProblem}
    refusals = {f"| `{refusal}` | {refusal.sentence} |" for refusal in Refusal}
    assert problems | refusals <= set(text.splitlines())


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


@pytest.mark.parametrize(
    ("page", "template"),
    [
        ("docs/chaos.md", chaos_report._INTRODUCTION),
        ("docs/comparison.md", comparison_page._HEAD),
        ("docs/comparison.md", comparison_page._LEGEND),
        ("docs/comparison.md", comparison_page._LIMITS),
        ("docs/comparison.md", comparison_page._ECE_NOTE),
        *(("docs/comparison.md", f"\n### {words}\n") for words in comparison_page._LEVELS.values()),
    ],
)
def test_a_generated_page_has_the_words_of_its_program(page: str, template: str) -> None:
    """The figures are those of a run; the sentences around them are those that it would write."""
    fixed = re.split(r"\{[^{}]*\}", template)
    pattern = r"[^|]*?".join(map(re.escape, fixed))
    assert re.search(pattern, (ROOT / page).read_text())


def files_named(page: Path) -> set[str]:
    """Files and folders of the tree in backticks: `x/y.py`, `y.py::test`, `x/`."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    names = {span.partition("::")[0] for span in re.findall(r"`([^`\n]+)`", text)}
    pattern = rf"[\w./-]+(\.py|/)|({'|'.join(FOLDERS)})/[\w./-]+"
    return {name for name in names if re.fullmatch(pattern, name)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    """Short forms are allowed: `core/x.py` is `streamer/core/x.py`; NAME stands for any name."""
    names = {name for name in files_named(page) if "NAME" not in name}
    assert {name for name in names if f"/{name.rstrip('/')}" not in ENDS} == set()


def test_every_file_that_a_program_names_to_people_exists() -> None:
    """Words of the code that are a path in `deploy/` or `docs/`; a decision is named by number."""
    words = {
        word
        for folder in ("streamer", "trainer")
        for source in (ROOT / folder).rglob("*.py")
        for word in re.findall(r"\b(?:deploy|docs)/[\w./-]*\w", source.read_text())
    }
    assert len(words) > 5
    missing = {word for word in words if not (ROOT / word).exists()}
    assert {word for word in missing if not list(ROOT.glob(f"{word}-*.md"))} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)\)", page.read_text())
    missing = {link for link in links if "://" not in link and not (page.parent / link).exists()}
    assert not missing


def test_the_index_lists_every_page() -> None:
    docs = ROOT / "docs"
    listed = set(re.findall(r"\]\(([^)#\s]+)\)", (docs / "README.md").read_text()))
    pages = {str(page.relative_to(docs)) for page in [*docs.glob("*.md"), *docs.glob("r*/*.md")]}
    assert pages - {"README.md"} <= listed


def test_each_decision_has_a_number_of_its_own() -> None:
    for number, page in enumerate(sorted((ROOT / "docs/decisions").glob("*.md")), start=1):
        assert page.name.startswith(f"{number:03d}-")
        assert page.read_text().startswith(f"# {number:03d} ")


def test_the_pages_name_files_and_link_to_each_other() -> None:
    """The two laws above find something to look at."""
    assert len(set().union(*map(files_named, PAGES))) > 80
    assert sum(page.read_text().count(".md)") for page in PAGES) > 20
