"""Files of the pages: vendored libraries as they came, and own code of a small size."""

from __future__ import annotations

import gzip
import hashlib
import json
import re

import pytest

from bench.board_stub import STATIC

OWN = sorted(STATIC.glob("*.js"))
VENDOR = STATIC / "vendor"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text())["files"]


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda e: f"{e['name']} {e['file']}")
def test_vendored_files_are_those_of_the_manifest(entry: dict[str, str]) -> None:
    for file, expected in (
        (entry["file"], entry["sha256"]),
        (entry["licence_file"], entry["licence_sha256"]),
    ):
        assert hashlib.sha256((VENDOR / file).read_bytes()).hexdigest() == expected
    assert entry["version"]
    assert entry["licence"]


def test_the_manifest_names_all_vendored_files() -> None:
    named = {e["file"] for e in MANIFEST} | {e["licence_file"] for e in MANIFEST}
    assert {p.name for p in VENDOR.iterdir()} == named | {"manifest.json"}


def test_modules_import_relatively_and_all_that_is_there() -> None:
    for module in OWN:
        for source in re.findall(r'from "([^"]+)"', module.read_text()):
            assert source.startswith("./"), f"{module.name} imports {source}"
            assert (STATIC / source).is_file()


def test_pages_hold_nothing_that_the_policy_forbids() -> None:
    for file in [*OWN, STATIC / "index.html"]:
        text = file.read_text()
        for forbidden in ("innerHTML", "eval(", "new Function", "document.write", "http://", " on"):
            if forbidden == " on" and file.suffix == ".js":
                continue
            without = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
            assert forbidden not in without, f"{file.name}: {forbidden}"
        assert "style=" not in text, f"{file.name}: an inline style"


def test_own_code_stays_small() -> None:
    # As it is sent; decision 031 has the reason, and says what was left.
    assert sum(len(gzip.compress(module.read_bytes(), mtime=0)) for module in OWN) < 40_000
    # Without words, comments and indentation: what a browser has to parse and people to read.
    source = b"".join(module.read_bytes() for module in OWN if module.name != "words.js")
    bare = re.sub(rb"(?m)^\s+|/\*\*.*?\*/|^\s*//.*$", b"", source, flags=re.DOTALL)
    assert len(bare) < 68_000


def test_each_word_is_used() -> None:
    words = (STATIC / "words.js").read_text()
    code = "".join(module.read_text() for module in OWN)
    tops = re.findall(r"(?m)^  (\w+): ", words[: words.index("/** Variables of the cards")])
    assert len(tops) > 60
    assert not [word for word in tops if not re.search(rf"W\.{word}\b", code)]
