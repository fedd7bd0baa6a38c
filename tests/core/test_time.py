from __future__ import annotations

import pytest

from streamer.core.time import rfc3339


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (1_795_255_200_000, "2026-11-21T10:00:00Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_fraction_of_a_second_is_written_only_where_there_is_one(time_ms: int, text: str) -> None:
    assert rfc3339(time_ms) == text
