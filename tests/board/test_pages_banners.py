"""Banners: what is wrong with the board itself, of full width, and not to be dismissed."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from bench.board_stub import BoardStub
from bench.board_ward import stamp
from tests.board.bed import of_bed, text_of
from tests.board.conftest import Screens


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kafka": "away", "kafka_since": stamp(3)}, "KAFKA AWAY since 10:39"),
        ({"scoring": "stopped", "scoring_since": stamp(2)}, "SCORING STOPPED since 10:40"),
        ({"feed": "silent", "feed_since": stamp(6)}, "NO DATA FROM THE FEED since 10:36"),
    ],
)
def test_each_fault_has_its_banner_until_it_is_over(
    screens: Screens, stub: BoardStub, fault: dict[str, object], words: str
) -> None:
    page = screens.open()
    expect(page.get_by_role("alert")).to_have_count(0)
    stub.beat(**fault)
    banner = page.get_by_role("alert")
    expect(banner).to_have_count(1)
    expect(banner).to_contain_text(words)
    assert banner.locator("button").count() == 0
    box = banner.bounding_box()
    assert box is not None
    assert box["width"] == 1280
    stub.beat(kafka="ok", scoring="ok", feed="ok")
    expect(banner).to_have_count(0)


def test_a_board_that_is_gone_says_so_and_comes_back_right_without_reload(
    screens: Screens, stub: BoardStub
) -> None:
    page = screens.open()
    page.evaluate("window.sameDocument = true")
    stub.down = True
    stub.drop()
    page.clock.run_for(16_000)
    banner = page.get_by_role("alert")
    expect(banner).to_contain_text("BOARD DISCONNECTED since 10:42")
    hatched = "e => getComputedStyle(e).backgroundImage"
    assert "repeating-linear-gradient" in of_bed(page, "1").evaluate(hatched)
    before = text_of(page, "1")
    page.clock.fast_forward(5 * 60_000)
    page.clock.run_for(1000)
    assert "last contact 1 min" in before
    assert "last contact 6 min" in text_of(page, "1")  # Ages go on counting.
    stub.down = False
    stub.put({**stub.bed("1"), "news2": 9})
    stub.system |= {"time": stamp(-5.4)}
    for _ in range(20):
        page.clock.run_for(1000)
        if stub.followers:
            break
    expect(banner).to_have_count(0)
    assert "NEWS2 9" in text_of(page, "1")
    assert page.evaluate("window.sameDocument")
    screens.complaints.clear()  # The browser names each answer of 502.


def test_a_stream_that_falls_silent_is_opened_again(screens: Screens) -> None:
    page = screens.open()
    with page.expect_request("**/api/stream*", timeout=5000):
        page.clock.run_for(22_000)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_bye_is_followed_by_a_new_stream(screens: Screens, stub: BoardStub) -> None:
    page = screens.open()
    stub.put({**stub.bed("1"), "news2": 9})
    with page.expect_request("**/api/stream*", timeout=5000):
        stub.bye()
        page.clock.run_for(2500)
    expect(of_bed(page, "1")).to_contain_text("NEWS29")


def test_who_is_not_verified_and_what_is_a_replay_is_said(
    screens: Screens, stub: BoardStub
) -> None:
    page = screens.open()
    stub.beat(auth="none", clock="log", log_time=stamp(-1))
    expect(page.get_by_text("names of users are not verified")).to_be_visible()
    expect(page.get_by_text("times are its own")).to_be_visible()


def test_ages_of_a_replay_count_by_the_log(screens: Screens, stub: BoardStub) -> None:
    stub.system |= {"clock": "log", "log_time": stamp(-10), "time": "2026-12-24T00:00:00Z"}
    page = screens.open()
    assert "last contact 11 min" in text_of(page, "1")
    assert "OPEN for 14:1" in text_of(page, "2") or "OVERDUE" in text_of(page, "2")
