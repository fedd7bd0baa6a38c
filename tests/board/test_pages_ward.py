"""The ward's cards: what they say, and that they keep order and focus."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from bench.board_stub import BoardStub
from bench.board_ward import card, stamp
from tests.board.bed import focused, of_bed, text_of
from tests.board.conftest import Screens


def test_a_card_says_bed_severity_risk_limit_ages_reason_and_state(screens: Screens) -> None:
    page = screens.open()
    text = text_of(page, "2")
    for words in (
        "Okafor, D.", "*** HIGH", "1 h 35", "0.41", "alert above 0.18", "NEWS2 11",
        "HR 115 4 min", "Temp 38.5 52 min", "lactate 4.1 mmol/L, high", "OPEN for 04:1",
        "last contact",
    ):  # fmt: skip
        assert words in text


def test_states_are_words(screens: Screens) -> None:
    page = screens.open()
    states = {
        "1": "No alert", "7": "ACKNOWLEDGED a.nurse 10:04", "9": "TECHNICAL", "10": "℞ antibiotic",
        "15": "ENDED NOT SEEN 09:47", "17": "SNOOZED 12:", "19": "indeterminate too few values",
        "20": "ALARM PAUSED treated", "22": "OVERDUE by 12:",
    }  # fmt: skip
    for number, words in states.items():
        assert words in text_of(page, number), number


def test_long_waits_are_hours_that_look_like_no_time_of_day(
    screens: Screens, stub: BoardStub
) -> None:
    stub.change("2", {"changed": stamp(65), "respond_by": None})
    stub.change("22", {"respond_by": stamp(60 * 32 + 15)})
    page = screens.open()
    assert "OPEN for 1 h 05" in text_of(page, "2")
    assert "OVERDUE by 32 h 15" in text_of(page, "22")


def test_no_reason_is_cut_off(screens: Screens, stub: BoardStub) -> None:
    reason = {"variable": "etco2", "value": 35.0, "unit": "mm[Hg]", "direction": "timing"}
    stub.change("2", {"reasons": [{**reason, "age_minutes": 0, "contribution": 1.0}]})
    page = screens.open()
    text = of_bed(page, "2").locator(".reason")
    expect(text).to_have_text("end-tidal CO2 35 mmHg, how often measured")
    assert text.evaluate("e => e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight")


def test_cards_stand_in_the_order_of_beds_and_arrivals_move_no_other(
    screens: Screens, stub: BoardStub
) -> None:
    page = screens.open()
    beds = page.locator(".card .bed").all_inner_texts()
    assert beds == [str(n) for n in range(1, 25)]
    page.evaluate("document.querySelectorAll('.card').forEach((c, i) => (c.born = i))")
    stub.put({**card(30), "bed": "2b"})
    stub.tell([stub.bed("2b")])
    expect(page.locator(".card")).to_have_count(25)
    stub.remove("5")
    expect(page.locator(".card")).to_have_count(24)
    born = page.evaluate("[...document.querySelectorAll('.card')].map((c) => c.born ?? -1)")
    assert born == [0, 1, -1, 2, 3, *range(5, 24)]


def test_the_focus_stays_over_updates_arrivals_and_a_discharge(
    screens: Screens, stub: BoardStub
) -> None:
    page = screens.open()
    of_bed(page, "8").focus()
    for _ in range(10):
        stub.tell([{**c, "news2": 3} for c in stub.cards.values()])
        page.clock.run_for(6000)
    stub.remove("3")
    stub.put({**card(31), "bed": "7b"})
    stub.tell([stub.bed("7b")])
    expect(page.locator('.card[aria-label^="Bed 7b,"]')).to_be_visible()
    assert focused(page).startswith("Bed 8,")
    stub.remove("8")
    expect(of_bed(page, "8")).to_have_count(0)
    assert focused(page).startswith("Bed 9,")


def test_arrows_go_by_the_geometry_of_the_grid(screens: Screens) -> None:
    page = screens.open(size=(1920, 1080))
    of_bed(page, "1").focus()
    for key, number in (("ArrowRight", "2"), ("ArrowDown", "8"), ("ArrowLeft", "7")):
        page.keyboard.press(key)
        expect(of_bed(page, number)).to_be_focused()


def test_the_attention_list_is_ordered_by_urgency(screens: Screens) -> None:
    page = screens.open()
    beds = page.locator(".entry .bed").all_inner_texts()
    assert beds == ["2", "22", "17", "4", "10", "15", "20", "13", "7"]


def test_a_snooze_that_ends_moves_nothing(screens: Screens, stub: BoardStub) -> None:
    stub.change("17", {"snoozed_until": stamp(-1)})
    page = screens.open()
    before = page.locator(".entry .bed").all_inner_texts()
    page.clock.fast_forward(2 * 60_000)
    stub.beat(time=stamp(-2))
    expect(page.locator(".entry", has_text="17").locator(".state")).to_contain_text("OVERDUE")
    assert page.locator(".entry .bed").all_inner_texts() == before


def test_an_old_value_is_grey_and_a_very_old_one_is_a_dash(
    screens: Screens, stub: BoardStub
) -> None:
    last = {"heart_rate": [88, 1], "map": [70, 121], "resp_rate": [20, 361], "spo2": [97, 1]}
    stub.change("3", last=last)
    page = screens.open()
    text = text_of(page, "3")
    assert "HR 88 2 min" in text
    assert "MAP 70? 2 h" in text
    assert "RR \u2013 6 h" in text
    assert "Temp \u2013 never" in text


def test_sixteen_minutes_without_contact_are_technical(screens: Screens, stub: BoardStub) -> None:
    page = screens.open()
    assert "TECHNICAL" not in text_of(page, "1")
    stub.system |= {"time": stamp(-16)}  # of a snapshot, too: the page connects again meanwhile
    page.clock.fast_forward(16 * 60_000)
    stub.beat()
    expect(of_bed(page, "1")).to_contain_text("TECHNICAL")
    assert "? no data 17 min" in text_of(page, "1")
    assert "0.030" not in text_of(page, "1")


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "=1+1"])
def test_hostile_labels_are_text(screens: Screens, stub: BoardStub, text: str) -> None:
    stub.change("1", label=text)
    page = screens.open()
    assert text in text_of(page, "1")
    assert page.locator(".card img").count() == 0


def test_cards_say_what_is_known_where_all_else_is_missing(
    screens: Screens, stub: BoardStub
) -> None:
    bare = dict.fromkeys(
        ("label", "age", "sex", "admitted", "news2", "qsofa", "risk", "last_contact", "model")
    )
    stub.change("1", **bare, series=[], last={})
    stub.change("2", **bare, last={}, paused={"reason": "treated", "until": None, "by": None})
    nothing = dict.fromkeys(
        ("risk", "threshold", "respond_by", "acknowledged_by", "acknowledged_time")
    )
    stub.change("7", {**nothing, "reasons": []}, treated={"since": None})
    stub.change("20", paused={"reason": "treated", "until": None, "by": None})
    risk = stub.bed("4")["risk"]
    assert isinstance(risk, dict)
    stub.change("4", risk={**risk, "threshold": None}, ward=None)
    page = screens.open()
    assert "TECHNICAL" in text_of(page, "1")
    assert "last contact never" in text_of(page, "1")
    assert "ALARM PAUSED" in text_of(page, "20")
    assert "ACKNOWLEDGED" in text_of(page, "7")
    for bed in ("1", "2", "4", "7"):
        of_bed(page, bed).click()
        page.wait_for_selector(".values tbody tr")
        page.keyboard.press("Escape")
