from __future__ import annotations

import pytest
import typer

from streamer.cli.times import parse_time_ms


def test_a_time_with_an_offset_is_epoch_milliseconds() -> None:
    assert parse_time_ms("1970-01-01T01:00:01+01:00", "--start") == 1_000
    assert parse_time_ms("2026-01-01T00:00:00Z", "--start") == 1_767_225_600_000


@pytest.mark.parametrize(
    ("text", "message"),
    [("yesterday", "--since must be 6h or RFC 3339, not 'yesterday'"),
     ("2026-01-01T00:00:00", "--since needs an offset")],
)  # fmt: skip
def test_anything_else_is_refused_with_the_forms(text: str, message: str) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        parse_time_ms(text, "--since", "6h or RFC 3339")
