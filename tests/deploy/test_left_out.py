"""A service's work needs none of the modules that the image of the streamer leaves out."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support.paths import ROOT

_WORK = """
import sys


class LeftOut:
    def find_spec(self, name, path=None, target=None):
        if any(name == gone or name.startswith(gone + ".") for gone in sys.argv[1:]):
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, LeftOut())
from streamer.bundles.signatures import ModelKey
from tests.support.fake_service import answered_log, library, reference_run

models, _ = library(2)
outputs = reference_run(models, answered_log(models, seed=1)).outputs_by_patient()
assert not ModelKey("k", bytes(32)).verifies(bytes(32), bytes(64))
print(sum(map(len, outputs.values())))
"""


def left_out() -> list[str]:
    """The modules that the Dockerfile removes, by their names in Python."""
    dockerfile = (ROOT / "deploy/Dockerfile.streamer").read_text()
    (removed,) = re.findall(r"rm -rf ((?:[\w./*]+ |\\\s+)+)\\", dockerfile)
    names = [re.sub(r"\.py$", "", path) for path in removed.split() if path != "\\"]
    return [name.replace("/", ".") for name in names if "*" not in name]


def test_events_alerts_and_answers_go_through_without_what_the_image_leaves_out() -> None:
    names = left_out()
    assert {"numpy.testing", "pydantic.v1", "cffi"} <= set(names)
    ended = subprocess.run(
        [sys.executable, "-c", _WORK, *names],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2_000:]
    assert int(ended.stdout.splitlines()[-1]) > 100
