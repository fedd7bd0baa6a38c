"""The streamer's image, built from its Dockerfile and run confined."""

from __future__ import annotations

import contextlib
import http.client
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from packaging.utils import canonicalize_name

from bench.services import environment, settings_of
from streamer.local import LocalStack
from streamer.local.ports import LOOPBACK, choose
from streamer.service.topics import ensure_topics
from tests.support.images import USER, Images, confined, locked, missing
from tests.support.running_service import START_DEADLINE_S, ServiceClient
from tests.support.wait import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.images,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(missing()), reason=f"no image is built here: {missing()}"),
]

MOST_BYTES = 120e6
MOST_RESIDENT_BYTES = 150e6  # a few stays; 100 MB is what the libraries take
UNWANTED = {
    "torch", "pyarrow", "pip", "setuptools", "trainer", "tests", "sklearn", "matplotlib",
    "fault_injection.py",
}  # fmt: skip


@dataclass(frozen=True)
class Built:
    """An image: how it is to be run, and its files."""

    config: dict[str, Any]
    root: Path

    @property
    def ours(self) -> Path:
        return self.root / "opt" / "vigil"

    @property
    def variables(self) -> dict[str, str]:
        return dict(each.split("=", 1) for each in self.config["Env"])

    def words(self, *arguments: str, **variables: str) -> list[str]:
        """What runs the image's program, confined, with other arguments or its own."""
        command = [*self.config["Entrypoint"], *(arguments or self.config["Cmd"])]
        return confined(self.root, self.variables | variables, command)

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs any command in the image."""
        words = confined(self.root, self.variables, command)
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def streamer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    images = Images(tmp_path_factory.mktemp("images"))
    images.make_base()
    name = images.build("Dockerfile.streamer")
    with contextlib.closing(images):
        yield Built(images.config(name), images.unpack(name))


def test_it_is_small(streamer: Built) -> None:
    size = sum(path.lstat().st_size for path in streamer.ours.rglob("*"))
    print(f"our layer: {size / 1e6:.1f} MB")
    assert size < MOST_BYTES


def test_it_has_nothing_that_a_service_does_not_need(streamer: Built) -> None:
    assert not {path.name for path in streamer.ours.rglob("*")} & UNWANTED
    programs = {path.name for path in (streamer.ours / "bin").iterdir()}
    assert {name for name in programs if not name.startswith("python")} == {"streamer"}


def test_it_has_the_versions_of_the_lock_and_no_others(streamer: Built) -> None:
    listing = (
        "import platform; from importlib.metadata import distributions\n"
        "print(platform.python_version(), *(f'{x.name}=={x.version}' for x in distributions()))"
    )
    python, *listed = streamer.run(["python", "-c", listing]).stdout.split()
    installed = dict(each.split("==") for each in listed)
    del installed["vigil-icu"]
    wanted = {
        requirement.name: next(iter(requirement.specifier)).version
        for requirement in locked("streamer.lock")
        if requirement.marker is None
        or requirement.marker.evaluate({"python_full_version": python})
    }
    assert {canonicalize_name(name): version for name, version in installed.items()} == wanted


def test_it_checks_signatures_and_explains_itself(streamer: Built) -> None:
    program = (
        "from streamer.bundles.signatures import ModelKey\n"
        "assert not ModelKey('k', bytes(32)).verifies(bytes(32), bytes(64))\n"
    )
    assert streamer.run(["python", "-c", program]).stderr == ""
    assert streamer.run(["streamer", "rejected", "--help"]).returncode == 0


def test_it_reads_every_compression(streamer: Built) -> None:
    program = (
        "import zstandard, lz4.frame, snappy, crc32c\n"
        "for codec in (zstandard, lz4.frame, snappy):\n"
        "    assert codec.decompress(codec.compress(b'vital' * 99)) == b'vital' * 99\n"
    )
    assert streamer.run(["python", "-c", program]).stderr == ""


def test_it_says_how_it_is_to_be_run(streamer: Built) -> None:
    assert streamer.config["User"] == f"{USER}:{USER}"
    assert (streamer.config["Entrypoint"], streamer.config["Cmd"]) == (["streamer"], ["run"])
    assert streamer.config["Healthcheck"]["Test"][0] == "CMD"
    labels = streamer.config["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == "0.1.0"


@pytest.mark.parametrize("folder", ["/", "/opt/vigil", "/etc"])
def test_nothing_is_written_outside_tmp(streamer: Built, folder: str) -> None:
    assert "Read-only" in streamer.run(["python", "-c", f"open('{folder}/x', 'w')"]).stderr
    assert streamer.run(["python", "-c", "open('/tmp/x', 'w')"]).returncode == 0


def test_it_cannot_be_told_to_fail(streamer: Built) -> None:
    words = streamer.words(STREAMER_FAULT="after_save@1:kill")
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "not part of this installation" in ended.stderr


def ready(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_it_scores_events_confined_and_leaves_in_order(
    streamer: Built, stack: LocalStack, tmp_path: Path, topic_prefix: str
) -> None:
    port = choose(None, "the service")
    variables = environment(stack, topic_prefix, partitions=2, http_port=port)
    ensure_topics(settings_of(variables))
    log = tmp_path / "service.log"
    with (
        log.open("wb") as output,
        contextlib.closing(ServiceClient(settings_of(variables))) as line,
    ):
        outer = subprocess.Popen(streamer.words(**variables), stdout=output, stderr=output)
        try:
            wait_until(lambda: ready(port) or outer.poll(), START_DEADLINE_S, "readiness")
            assert outer.poll() is None, log.read_text()
            for patient in ("p", "q"):
                assert 0 < line.risk_of(line.event(patient))["risk"] < 1
            (service,) = psutil.Process(outer.pid).children()
            resident = service.memory_info().rss
            print(f"resident: {resident / 1e6:.0f} MB")
            assert resident < MOST_RESIDENT_BYTES
            status = Path(f"/proc/{service.pid}/status").read_text()
            assert re.search(r"^CapEff:\s+0+$", status, re.M)
            assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
            health = streamer.config["Healthcheck"]["Test"][1:]
            asked = [word.replace(":8000/", f":{port}/") for word in health]
            assert streamer.run(asked).returncode == 0
            service.send_signal(signal.SIGTERM)
            assert outer.wait(15) == 0, log.read_text()
        finally:
            outer.kill()
            outer.wait()
