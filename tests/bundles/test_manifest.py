from __future__ import annotations

import json

import pytest

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import MANIFEST, SHIPPED
from streamer.bundles.manifest import DEEPEST, Manifest, hashed_text, parse, parse_json, to_text


@pytest.mark.parametrize(("text", "kind"), [(b"[1]", "list"), (b"7", "int"), (b"null", "NoneType")])
def test_a_manifest_is_a_json_object(text: bytes, kind: str) -> None:
    with pytest.raises(ValueError, match=f"is a JSON {kind}, not an object"):
        parse(text)


def test_the_shipped_manifest_is_written_back_byte_for_byte() -> None:
    text = (SHIPPED / MANIFEST).read_bytes()
    assert to_text(parse(text)).encode() == text


def test_every_part_of_the_shipped_manifest_has_a_type() -> None:
    manifest = bundles.load(SHIPPED).manifest
    # Only a bundle that was calibrated for a site, fitted on from another, or has another task.
    parts_of_others = {"recalibration", "started_from", "chosen_on", "task"}
    assert set(Manifest.__annotations__) - parts_of_others == set(manifest)


def test_the_id_does_not_depend_on_itself_and_on_every_other_part() -> None:
    manifest: Manifest = {"threshold": 0.5, "model": "abc"}
    assert json.loads(hashed_text(manifest)) == {"threshold": 0.5}
    other: Manifest = {"threshold": 0.25, "model": "abc"}
    assert hashed_text(other) != hashed_text(manifest)


@pytest.mark.parametrize("kind", ["[]", "{}"])
def test_json_is_read_to_a_depth(kind: str) -> None:
    def nested(depth: int) -> bytes:
        opening = "[" if kind == "[]" else '{"a":'
        return (opening * depth + "1" + kind[1] * depth).encode()

    parse_json(nested(DEEPEST - 1))
    for depth in (DEEPEST, 500, 200_000):
        with pytest.raises(ValueError, match="nested deeper"):
            parse_json(nested(depth))
