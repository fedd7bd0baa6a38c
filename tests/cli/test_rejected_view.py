from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from collections.abc import Iterable

import pytest

from streamer.cli import rejected_view as view
from streamer.core.dead_letters import DeadLetter, Origin, Standing
from streamer.process.terminal import say_lines
from streamer.service.dead_letters import Group, Overview, Replay


def dead_letter(value: bytes | None = b'{"patient_id": "p"}', **headers: str) -> DeadLetter:
    carried = {"reason": "too_late", "detail": "50 h back", **headers}
    return DeadLetter(17, 1_767_225_600_000, b"p", value, carried, Origin("vitals", 3, 5))


def printed(lines: Iterable[str]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as output:
        say_lines(lines)
    return output.getvalue()


@pytest.fixture
def overview() -> Overview:
    group = Group()
    group.add(dead_letter(), Standing.WAITING)
    group.add(dead_letter(), Standing.REENTERED)
    return Overview({"too_late": group}, [(dead_letter(), Standing.WAITING)])


def test_an_overview_counts_by_reason_and_standing(overview: Overview) -> None:
    content = view.overview_json(overview)
    (reason,) = content["reasons"]
    assert content["total"] == reason["count"] == 2
    assert (reason["waiting"], reason["re_entered"], reason["refused_again"]) == (1, 1, 0)
    assert content["records"][0]["origin"] == "vitals/3/5"
    text = printed(view.overview_lines(overview))
    assert "too_late" in text
    assert "50 h back" in text


def test_an_empty_overview_is_one_sentence() -> None:
    assert printed(view.overview_lines(Overview({}, []))) == "No matching rejected records.\n"


def test_a_record_is_shown_whole() -> None:
    record = dead_letter()
    content = view.record_json(record, {17: 1_767_225_601_000})
    assert (content["standing"], content["re_entered"]) == ("re-entered", "2026-01-01T00:00:01Z")
    assert json.loads(str(content["value"])) == {"patient_id": "p"}
    text = printed(view.record_lines(record, {}))
    assert "came from            vitals/3/5" in text
    assert '"patient_id": "p"' in text


def test_bytes_that_are_not_text_are_base64_for_programs_and_escaped_for_people() -> None:
    record = dead_letter(b"\xff\x1b[2J")
    assert view.record_json(record, {})["value"] == {"base64": "/xtbMko="}
    text = printed(view.record_lines(record, {}))
    assert "\x1b" not in text
    assert r"\xff\x1b[2J" in text


def test_a_long_payload_is_cut_for_people() -> None:
    text = printed(view.record_lines(dead_letter(b"x" * 20_000), {}))
    assert "cut after 16384 characters; --json has all of it" in text


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_replay_is_counted(dry_run: bool) -> None:
    done = Replay(Counter({"too_late": 3}), Counter({Standing.REFUSED_AGAIN: 2}))
    assert view.replay_json(done, dry_run=dry_run) == {
        "dry_run": dry_run, "re_entered": 0 if dry_run else 3, "chosen": 3,
        "by_reason": {"too_late": 3}, "left_alone": {"refused again": 2},
    }  # fmt: skip
    text = printed(view.replay_lines(done, dry_run=dry_run))
    assert "add --again" in text
    assert ("Add --yes to do it" in text) == dry_run


def test_a_list_names_each_reason_in_full_however_long_the_line_is() -> None:
    letters = [dead_letter(reason=f"reason_{i}" * 9, detail="d" * 500) for i in range(3)]
    overview = Overview(
        {letter.reason: Group() for letter in letters},
        [(letter, Standing.WAITING) for letter in letters],
    )
    lines = printed(view.overview_lines(overview)).splitlines()
    assert len(lines) == 1 + 3 + 1 + 1 + 3
    for letter in letters:
        assert sum(letter.reason in line.split() for line in lines) == 2
    assert [line.endswith(f"{'d' * 117}...") for line in lines[-3:]] == [True] * 3
