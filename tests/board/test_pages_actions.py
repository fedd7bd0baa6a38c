"""Answering an alert: by keyboard alone, never by accident, and never believed before it is so."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from bench.board_stub import BoardStub
from bench.board_ward import stamp
from tests.board.bed import focused, of_bed
from tests.board.conftest import Screens

FLASHING = "e => e.getAnimations({subtree: true}).length > 0"


def ask(page: Page, number: str, key: str = "a") -> None:
    """Focus the card of a bed and press a key; its dialog is open then."""
    of_bed(page, number).focus()
    page.keyboard.press(key)
    page.wait_for_selector("dialog[open]")


def test_an_acknowledgement_by_keyboard_shows_elsewhere_with_its_name(
    screens: Screens, stub: BoardStub
) -> None:
    here, there = screens.open(), screens.open()
    expect(of_bed(there, "2")).to_contain_text("OPEN")
    ask(here, "2")
    subject = here.locator("dialog .subject").inner_text()
    for words in ("Bed 2", stub.bed("2")["patient"], "*** HIGH"):
        assert str(words) in subject
    here.keyboard.press("Enter")
    for page in (here, there):
        expect(of_bed(page, "2")).to_contain_text("ACKNOWLEDGED a.nurse", timeout=1000)
    (action,) = stub.actions
    alert = stub.bed("2")["alert"]
    assert isinstance(alert, dict)
    headers = action["_headers"]
    assert isinstance(headers, dict)
    assert action["action"] == "acknowledge"
    assert (action["alert_id"], action["revision"]) == (alert["alert_id"], 2)
    assert headers["idempotency-key"] == action["action_id"]
    assert headers["x-vigil"] == "1"
    assert headers["content-type"] == "application/json"
    assert "actor" not in action
    assert focused(here).startswith("Bed 2,")  # The next key goes where the last one went.


def test_what_nobody_answers_is_sent_not_confirmed_and_flashes_on(
    screens: Screens, stub: BoardStub
) -> None:
    stub.answering = False
    page = screens.open(reduced_motion=False)
    ask(page, "2")
    page.keyboard.press("Enter")
    card = of_bed(page, "2")
    expect(card).to_contain_text("SENT acknowledge")
    page.clock.run_for(5000)
    expect(card).to_contain_text("SENT NOT CONFIRMED acknowledge")
    assert card.evaluate(FLASHING)
    # It comes after all.
    answer = {"action_id": stub.actions[0]["action_id"], "phase": "acknowledge", "refusal": None}
    nurse = {"acknowledged_by": "b.nurse", "acknowledged_time": stamp()}
    stub.change("2", {"acknowledged": 2, **nurse}, state="acknowledged", answers=[answer])
    expect(card).to_contain_text("ACKNOWLEDGED b.nurse")
    expect(card).not_to_contain_text("SENT")
    assert not card.evaluate(FLASHING)


def test_a_refusal_is_shown(screens: Screens, stub: BoardStub) -> None:
    stub.answering = False
    page = screens.open()
    ask(page, "4")
    page.keyboard.press("Enter")
    expect(of_bed(page, "4")).to_contain_text("SENT")
    refused = {"phase": "refused", "refusal": "not_last_alert"}
    stub.change("4", answers=[{"action_id": stub.actions[0]["action_id"], **refused}])
    expect(of_bed(page, "4")).to_contain_text("REFUSED a newer alert exists")


def test_a_rise_while_the_dialog_is_open_asks_again(screens: Screens, stub: BoardStub) -> None:
    page = screens.open()
    ask(page, "4")
    asked = page.locator("button.confirm")
    expect(asked).to_have_text("Acknowledge ** MEDIUM")
    stub.change("4", {"severity": "high", "revision": 2, "changed": stamp()})
    expect(page.locator("dialog [role=alert]")).to_contain_text("THE ALERT HAS RISEN")
    assert "Acknowledge ** MEDIUM" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    assert stub.actions == []
    expect(page.locator("button.confirm").last).to_be_focused()
    expect(page.locator("button.confirm").last).to_have_text("Acknowledge *** HIGH")
    page.keyboard.press("Enter")
    expect(of_bed(page, "4")).to_contain_text("ACKNOWLEDGED")
    assert [a["revision"] for a in stub.actions] == [2]


def test_an_action_that_is_not_sent_says_so_and_is_repeated_as_the_same(
    screens: Screens, stub: BoardStub
) -> None:
    stub.kafka_away = True
    page = screens.open()
    ask(page, "2")
    page.keyboard.press("Enter")
    expect(page.locator("dialog .error")).to_contain_text("NOT SENT: Kafka is away")
    expect(of_bed(page, "2")).not_to_contain_text("SENT")
    stub.kafka_away = False
    page.keyboard.press("Enter")
    expect(of_bed(page, "2")).to_contain_text("ACKNOWLEDGED")
    assert len({str(a["action_id"]) for a in stub.actions}) == 1
    assert len(stub.actions) == 2
    screens.complaints.clear()  # The browser names each answer of 503.


def test_escape_only_closes(screens: Screens, stub: BoardStub) -> None:
    page = screens.open()
    for key in ("a", "s", "?"):
        ask(page, "2", key)
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
        assert focused(page).startswith("Bed 2,")
    assert stub.actions == []


def test_a_key_where_there_is_nothing_to_answer_says_so(screens: Screens, stub: BoardStub) -> None:
    page = screens.open()
    for number, key in (("1", "a"), ("1", "s"), ("7", "a"), ("15", "s")):
        ask(page, number, key)
        expect(page.locator("dialog")).to_contain_text("No alert to answer")
        expect(page.locator("dialog .subject")).to_contain_text(f"Bed {number}")
        page.keyboard.press("Enter")
        expect(page.locator("dialog")).to_have_count(0)
    assert stub.actions == []


def test_letters_are_dead_in_text_fields_and_dialogs(screens: Screens, stub: BoardStub) -> None:
    page = screens.open()
    of_bed(page, "2").focus()
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("aspm?")
    expect(page.locator("#find")).to_have_value("aspm?")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Privacy: off")).to_be_visible()
    page.locator("#find").fill("kowal")
    page.keyboard.press("Enter")
    assert focused(page).startswith("Bed 13,")
    ask(page, "2", "s")
    page.locator("dialog input[name=note]").focus()
    page.keyboard.type("a p s m")
    assert page.locator("dialog").count() == 1
    assert stub.actions == []


def test_snooze_sends_minutes_and_a_reason(screens: Screens, stub: BoardStub) -> None:
    page = screens.open()
    ask(page, "4", "s")
    options = page.locator("dialog input[name=minutes]")
    assert options.evaluate_all("all => all.map(e => e.value)") == ["15", "30", "60", "120"]
    expect(page.get_by_text("Reason (choose one)")).to_be_visible()
    page.keyboard.press("Enter")  # No reason yet: nothing is sent.
    assert stub.actions == []
    page.get_by_label("30 min").check()
    page.get_by_label("Awaiting results").check()
    page.keyboard.press("Enter")
    expect(of_bed(page, "4")).to_contain_text("SNOOZED")
    (action,) = stub.actions
    assert (action["minutes"], action["reason"]) == (30, "awaiting_results")


def test_a_high_alert_is_snoozed_for_half_an_hour_at_most(screens: Screens) -> None:
    page = screens.open()
    ask(page, "2", "s")
    options = page.locator("dialog input[name=minutes]")
    assert options.evaluate_all("all => all.map(e => e.value)") == ["15", "30"]


def test_a_pause_and_a_verdict_from_the_patients_screen(screens: Screens, stub: BoardStub) -> None:
    page = screens.open()
    of_bed(page, "4").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Was it right?").click()
    page.get_by_label("Wrong: no sepsis").check()
    page.get_by_label("Another cause").check()
    page.locator("button.confirm").click()
    expect(page.locator("dialog")).to_have_count(0)
    page.get_by_role("button", name="Pause patient").click()
    page.get_by_label("comfort care").check()
    page.locator("button.confirm").click()
    expect(page.locator(".title .state")).to_contain_text("ALARM PAUSED comfort care")
    feedback, pause = stub.actions
    assert (feedback["verdict"], feedback["reason"]) == ("false", "other_cause")
    assert (pause["alert_id"], pause["revision"], pause["minutes"]) == (None, None, 60)


def test_a_viewer_cannot_act(screens: Screens, stub: BoardStub) -> None:
    assert stub.session is not None
    stub.session["role"] = "viewer"
    page = screens.open()
    of_bed(page, "2").focus()
    page.keyboard.press("a")
    page.keyboard.press("s")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Acknowledge", exact=True)).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your role may look, not act.")).to_be_visible()


def test_a_wall_asks_who_and_a_pin(screens: Screens, stub: BoardStub) -> None:
    assert stub.session is not None
    stub.session |= {"kiosk": True, "role": "viewer"}
    page = screens.open("/?wall=ICU%201", size=(1920, 1080))
    page.get_by_role("button", name="Who are you?").click()
    page.locator("dialog select").select_option(label="Bed 2 *** HIGH")
    page.locator("dialog input[name=user]").fill("a.nurse")
    page.locator("dialog input[name=pin]").fill("999999")
    page.keyboard.press("Enter")
    expect(page.locator("dialog .error")).to_contain_text("user or PIN is wrong")
    expect(page.locator(".login")).to_have_count(0)
    page.locator("dialog input[name=pin]").fill("123456")
    page.keyboard.press("Enter")
    expect(of_bed(page, "2")).to_contain_text("ACKNOWLEDGED a.nurse")
    screens.complaints.clear()  # The browser names the answer of 401.


@pytest.mark.parametrize("gone", [True, False])
def test_a_patient_who_leaves_or_an_alert_that_ends_meanwhile(
    screens: Screens, stub: BoardStub, gone: bool
) -> None:
    page = screens.open()
    ask(page, "4")
    if gone:
        stub.remove("4")
        expect(page.locator("dialog")).to_contain_text("The patient has left the board.")
        page.keyboard.press("Enter")
        expect(page.locator("dialog")).to_be_visible()
        assert stub.actions == []
    else:
        stub.change("4", {"on": False, "ended": stamp()}, state="ended_unseen")
        expect(page.locator("dialog")).to_contain_text("The alert has ended meanwhile.")
        page.keyboard.press("Enter")
        expect(page.locator("dialog")).to_have_count(0)
        assert len(stub.actions) == 1
