from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.bundles.acceptance import Trust, accept
from streamer.bundles.signatures import parse_key
from tests.support.small_models import random_bundle
from trainer.errors import InputError
from trainer.registry import keys


def test_a_key_is_made_kept_secret_and_read_again(tmp_path: Path) -> None:
    key = keys.new(tmp_path / "keys", "icu-2026")
    file = tmp_path / "keys" / "icu-2026.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert keys.load(file).public == key.public == parse_key(str(key.public))
    assert [one.name for one in keys.all_in(tmp_path / "keys")] == ["icu-2026"]
    bundle = keys.load(file).sign(random_bundle(1))
    assert accept(bundle, Trust((key.public,))).model_id == bundle.model_id


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    keys.new(tmp_path, "ours")
    before = (tmp_path / "ours.key").read_bytes()
    with pytest.raises(InputError, match="there already"):
        keys.new(tmp_path, "ours")
    assert (tmp_path / "ours.key").read_bytes() == before


@pytest.mark.parametrize("name", ["", "../x", "a:b", "a b", "a\n", "x" * 41])
def test_a_name_that_would_be_another_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no name for a key"):
        keys.new(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"-----BEGIN PRIVATE KEY-----\nAA==\n"])
def test_what_is_no_key_is_refused_with_a_way_out(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "bad.key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match="trainer keys new"):
        keys.load(file)
    assert list(keys.all_in(tmp_path)) == []


def test_signing_an_old_bundle_adds_known_inputs_and_keeps_its_id(tmp_path: Path) -> None:
    key = keys.new(tmp_path, "ours")
    old = replace(random_bundle(2), known=b"")
    signed = key.sign(old)
    assert signed.model_id == old.model_id
    assert signed.known == random_bundle(2).known
