from __future__ import annotations

import base64

import pytest

from streamer.bundles.signatures import (
    ModelKey,
    Signature,
    parse_key,
    parse_keys,
    parse_signatures,
    signatures_text,
)

KEY = ModelKey("icu", bytes(range(32)))


def test_keys_are_written_and_read() -> None:
    assert parse_key(str(KEY)) == KEY
    bare = base64.b64encode(KEY.public_key).decode()
    assert parse_key(f" {bare} ").public_key == KEY.public_key
    other = ModelKey("b", bytes(32))
    assert parse_keys(f"{KEY}, {other}\n{KEY}") == (KEY, other, KEY)
    assert parse_keys("") == ()


@pytest.mark.parametrize("text", ["x", "icu:", "icu:AAAA", f"a/b:{'A' * 43}=", "icu:é", "\x1b[2J"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a public key") as refused:
        parse_key(text)
    assert str(refused.value).isprintable()


def test_signatures_are_written_and_read() -> None:
    signatures = (Signature(bytes(32), bytes(64)), Signature(KEY.public_key, bytes(range(64))))
    assert parse_signatures(signatures_text(signatures).encode()) == signatures


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[1]", b'[{"key": "AA==", "signature": "AA=="}]', b"[{}]", b"[" + b"{}," * 99],
)
def test_what_is_no_list_of_signatures_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_signatures(text)


def test_a_key_of_no_point_on_the_curve_verifies_nothing() -> None:
    assert not ModelKey("zero", bytes(32)).verifies(bytes(32), bytes(64))
    assert not ModelKey("ones", b"\xff" * 32).verifies(bytes(32), bytes(64))
