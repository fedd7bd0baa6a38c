"""The other screens: patient, alerts, handover, burden, audit, about, login; privacy and sound."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from bench.board_stub import BoardStub
from bench.board_ward import alert, stamp
from streamer.board.session_routes import AGAIN
from tests.board.bed import of_bed
from tests.board.conftest import Screens
from tests.support.wait import wait_until

DEADLINE_S = 10.0


def go(page: Page, screen: str) -> str:
    """Open a screen of the head; its text."""
    page.get_by_role("link", name=screen, exact=True).click()
    page.wait_for_selector("main.sheet h1")
    is_whole = "!document.querySelector('main').textContent.includes('undefined')"
    wait_until(lambda: page.evaluate(is_whole), DEADLINE_S, "a page without `undefined`")
    return page.locator("main").inner_text()


def test_a_patient_has_curves_values_with_ages_and_limits_reasons_and_history(
    screens: Screens,
) -> None:
    page = screens.open(size=(1920, 1080))
    of_bed(page, "2").click()
    page.wait_for_selector(".history li")
    assert page.locator(".chart canvas").count() == 6
    label = page.get_by_role("img", name="heart rate, last 48 hours")
    expect(label).to_be_visible()
    row = " ".join(page.locator("tr", has_text="lactate").inner_text().split())
    assert row == "lactate 4.1 mmol/L ↑ above 28 min \N{LESS-THAN OR EQUAL TO} 2"
    expect(page.locator(".reasons li").first).to_have_text(
        "lactate 4.1 mmol/L, high 25 min old then"
    )
    expect(page.get_by_role("heading", name="Reasons of this alert as of 10:37")).to_be_visible()
    lines = page.locator(".history li").all_inner_texts()
    assert "rose HIGH" in lines[0]
    assert any("acknowledged by A. Nurse" in line and "cultures taken" in line for line in lines)
    assert page.locator(".actions > button").all_inner_texts() == [
        "Acknowledge", "Snooze", "Pause patient", "Was it right?",
    ]  # fmt: skip
    page.keyboard.press("Escape")
    expect(of_bed(page, "2")).to_be_focused()


def test_what_a_page_asks_for_by_itself_is_marked(screens: Screens, stub: BoardStub) -> None:
    """Else a session would not end while a patient is open, whoever sits in front of it."""
    page = screens.open()
    with page.expect_request(re.compile("/api/patients/")) as opened:
        of_bed(page, "2").click()
    page.wait_for_selector(".history li")
    with page.expect_request(re.compile("/api/patients/")) as loaded_again:
        stub.change("2", last_contact=stamp(1))
    marks = [f"{AGAIN}=true" in asked.value.url for asked in (opened, loaded_again)]
    assert marks == [False, True]


def test_an_old_vital_sign_is_grey_with_a_question_mark_as_on_the_card(
    screens: Screens, stub: BoardStub
) -> None:
    last = {"temperature": [38.4, 130], "heart_rate": [88, 100], "lactate": [1.9, 1300]}
    stub.change("3", last=last | {"wbc": [12.0, 1500]})
    page = screens.open()
    of_bed(page, "3").click()
    page.wait_for_selector(".values tbody tr")
    rows = {
        name: " ".join(page.locator(".values tr", has_text=name).inner_text().split())
        for name in ("temperature", "heart rate", "lactate", "white cells")
    }
    assert "38.4? °C ↑ above 2 h 1" in rows["temperature"]
    assert "88 /min 1 h 4" in rows["heart rate"]
    assert "1.9 mmol/L 21 h 4" in rows["lactate"]
    assert "12.0? 10³/µL ↑ above 25 h 0" in rows["white cells"]
    old = page.locator("tr.old")
    expect(old.filter(has_text="temperature")).to_have_count(1)
    expect(old.filter(has_text="lactate")).to_have_count(0)


def test_the_curves_shrink_with_the_window(screens: Screens) -> None:
    page = screens.open(size=(1920, 1080))
    of_bed(page, "2").click()
    page.wait_for_selector(".history li")
    page.set_viewport_size({"width": 1280, "height": 720})
    fits = (
        "[...document.querySelectorAll('.charts, .chart canvas')].every((e, i, [panel]) =>"
        " e.getBoundingClientRect().right <= panel.getBoundingClientRect().right"
        " && panel.scrollWidth <= panel.clientWidth)"
    )
    # `wait_for_function` evaluates text when it looks again, which the policy of the page forbids.
    wait_until(lambda: page.evaluate(fits), DEADLINE_S, "curves that fit the panel")


def test_the_curve_of_risk_is_drawn_with_its_limit_and_alert(screens: Screens) -> None:
    page = screens.open()
    of_bed(page, "2").click()
    page.wait_for_selector(".history li")
    count = """(c, colours) => {
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        const near = (rgb, i) => d[i + 3] > 40 && rgb.every((v, k) => Math.abs(v - d[i + k]) < 12);
        return colours.map((rgb) => {
          let n = 0;
          for (let i = 0; i < d.length; i += 4) if (near(rgb, i)) n++;
          return n;
        });
      }"""
    colours = [[138, 180, 255], [242, 245, 247], [255, 214, 10]]
    curve, limit, shade = page.locator(".chart canvas").first.evaluate(count, colours)
    assert curve > 300
    assert limit > 100
    assert shade > 1000  # a medium alert


def test_no_id_is_in_the_address_and_back_goes_back(screens: Screens, stub: BoardStub) -> None:
    page = screens.open()
    of_bed(page, "2").click()
    page.wait_for_selector("main.patient")
    assert str(stub.bed("2")["patient"]) not in page.url
    page.go_back()
    page.wait_for_selector("main.ward")
    page.go_forward()
    expect(page.locator("h1")).to_contain_text("Bed 2")


def test_without_history_the_patient_says_so_and_lives(screens: Screens) -> None:
    page = screens.open()
    page.route("**/api/patients/*", lambda r: r.fulfill(status=503, json={"error": "x"}))
    of_bed(page, "2").click()
    expect(page.get_by_text("The history is unavailable just now.")).to_be_visible()
    expect(page.locator(".title .state")).to_contain_text("OPEN")
    screens.complaints.clear()  # The browser names the answer of 503.


def test_alerts_are_filtered(screens: Screens) -> None:
    page = screens.open()
    go(page, "Alerts")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(9)
    page.get_by_label("Severity").select_option("high")
    expect(rows).to_have_count(2)
    page.get_by_label("State").select_option("open")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Okafor")


def test_a_handover_has_two_lines_a_patient_and_prints_without_the_head(screens: Screens) -> None:
    page = screens.open()
    go(page, "Handover")
    patients = page.locator(".handover li")
    expect(patients).to_have_count(24)
    expect(patients.nth(0)).to_contain_text("no alert in 12 h")  # not before the alerts are there
    first, second = patients.nth(1).locator("p").all_inner_texts()
    for words in ("2 Okafor, D. mrn-0480074 58 y M", "Risk 0.41 (", "HR 115 ("):
        assert words in first
    for words in ("*** HIGH since 09:07", "lactate 4.1 mmol/L, high", "OPEN for 04:"):
        assert words in second
    assert "** MEDIUM 06:42\N{EN DASH}09:47 · ENDED NOT SEEN 09:47" in patients.nth(14).inner_text()
    page.emulate_media(media="print")
    expect(page.locator("header.page")).to_be_hidden()


def test_a_handover_without_its_alerts_does_not_say_that_there_were_none(screens: Screens) -> None:
    page = screens.open()
    page.route("**/api/alerts*", lambda r: r.fulfill(status=503, json={"error": "away"}))
    go(page, "Handover")
    expect(page.get_by_role("alert")).to_contain_text("away")
    expect(page.get_by_text("alerts unknown")).to_have_count(24)
    expect(page.get_by_text("no alert in 12 h")).to_have_count(0)
    screens.complaints.clear()  # The browser names the answer of 503.


def test_the_burden_says_how_often_alerts_are_right(screens: Screens) -> None:
    page = screens.open()
    go(page, "Burden")
    tiles = [" ".join(t.split()) for t in page.locator(".tile").all_inner_texts()]
    assert tiles[0] == "0.30 alerts per bed and day 51 alerts in 168 bed-days"
    assert tiles[1] == "4 min to acknowledge, median nine of ten within 18 min"
    assert "17 %" in tiles[3]
    assert "27 verdicts: 4 right, 19 wrong, 4 unsure" in tiles[3]
    assert "PhysioNet 2019" in tiles[4]


def test_the_audit_shows_hostile_notes_as_text(screens: Screens) -> None:
    page = screens.open()
    go(page, "Audit")
    page.get_by_text('<img src=x onerror="window.harmed=1">').wait_for()
    assert page.evaluate("window.harmed") is None
    assert page.locator("main img").count() == 0
    page.get_by_label("User").fill("a.nurse")
    with page.expect_request("**/api/audit?user=a.nurse"):
        page.get_by_role("button", name="Show").click()
    csv = page.get_by_role("link", name="Save as CSV")
    assert csv.get_attribute("href") == "/api/audit.csv?user=a.nurse"


def test_about_says_what_it_is_not(screens: Screens) -> None:
    page = screens.open()
    go(page, "About")
    main = page.locator("main")
    expect(main).to_contain_text("11 % of alerts are expected to be right")
    for words in ("not a medical device", "3fa9c1d20b77", "uPlot 1.6.32, MIT", "acknowledge the"):
        expect(main).to_contain_text(words)


def test_only_an_admin_sees_the_audit(screens: Screens, stub: BoardStub) -> None:
    assert stub.session is not None
    stub.session["role"] = "nurse"
    page = screens.open()
    expect(page.get_by_role("link", name="Burden")).to_be_visible()
    expect(page.get_by_role("link", name="Audit")).to_have_count(0)


def test_login_with_a_wrong_and_a_right_password_and_logout(
    screens: Screens, stub: BoardStub
) -> None:
    stub.session = None
    page = screens.open(wait=".login")
    page.get_by_label("User").fill("a.nurse")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("User or password is wrong.")
    page.get_by_label("Password").fill(stub.password)
    page.keyboard.press("Enter")
    expect(of_bed(page, "2")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    expect(page.locator("body")).not_to_contain_text("Okafor")
    screens.complaints.clear()  # The browser names each answer of 401.


def test_a_session_that_ends_leads_to_the_login(screens: Screens, stub: BoardStub) -> None:
    page = screens.open()
    stub.session = None
    with page.expect_response("**/api/session"):
        stub.drop()
        page.clock.run_for(2500)
    expect(page.get_by_label("Password")).to_be_visible()
    screens.complaints.clear()  # The browser names the answer of 401.


def test_privacy_hides_names_everywhere(screens: Screens, stub: BoardStub) -> None:
    page = screens.open()
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Privacy: on")).to_be_visible()
    secrets = [str(c[key]) for c in stub.cards.values() for key in ("label", "patient")]

    def look(where: str) -> None:
        html = page.content()
        assert not [s for s in secrets if s.replace("'", "&#39;") in html or s in html], where
        assert not [s for s in secrets if s in page.title()]

    look("ward")
    of_bed(page, "2").focus()
    page.keyboard.press("a")
    expect(page.locator("dialog .subject")).to_contain_text("…0074")
    look("dialog")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.wait_for_selector(".history li")
    look("patient")
    for screen in ("Alerts", "Handover", "Audit"):
        go(page, screen)
        page.wait_for_selector("tbody tr, .handover li")
        look(screen)


def test_the_wall_is_private_large_and_has_no_buttons_to_act(screens: Screens) -> None:
    page = screens.open("/?wall=ICU%201", size=(1920, 1080))
    size = (
        of_bed(page, "2").locator(".bed").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    )
    assert size >= 48
    last = of_bed(page, "24").bounding_box()
    assert last is not None
    assert last["y"] + last["height"] <= 1080, "24 beds are seen without scrolling"
    cut = page.evaluate(
        "[...document.querySelectorAll('.card')].some((c) => c.scrollHeight > c.clientHeight)"
    )
    assert not cut
    expect(page.locator("body")).not_to_contain_text("Okafor")
    expect(page.locator("body")).to_contain_text("…0074")
    expect(page.get_by_role("button", name="Acknowledge", exact=True)).to_have_count(0)
    page.keyboard.press("p")
    expect(page.locator("body")).not_to_contain_text("Okafor")


def sounds(page: Page) -> list[str]:
    return list(page.evaluate("window.tones"))


@pytest.fixture
def hearing(screens: Screens) -> Page:
    page = screens.open()
    page.evaluate(
        "window.tones = []; document.addEventListener('vigil-tone', e => tones.push(e.detail))"
    )
    return page


def test_sound_is_off_then_high_repeats_and_medium_does_not(hearing: Page, stub: BoardStub) -> None:
    page = hearing
    page.clock.run_for(61_000)
    assert sounds(page) == []
    page.get_by_role("button", name="Sound: off").click()
    page.clock.run_for(1000)
    assert sounds(page) == ["high"]
    page.clock.run_for(60_000)
    assert sounds(page) == ["high", "high"]
    # Answered: silent. Then a new medium: once.
    stub.change("2", {"acknowledged": 2}, state="acknowledged")
    new = {**stub.bed("1"), "state": "open", "alert": alert("p", "medium", 0)}
    stub.put(new)
    stub.tell([new])
    expect(of_bed(page, "1")).to_contain_text("MEDIUM")
    page.clock.run_for(120_000)
    assert sounds(page) == ["high", "high", "medium"]


def test_a_mute_counts_down_and_a_new_high_breaks_it(hearing: Page, stub: BoardStub) -> None:
    page = hearing
    page.get_by_role("button", name="Sound: off").click()
    of_bed(page, "1").focus()
    page.keyboard.press("m")
    expect(page.get_by_role("button", name="AUDIO PAUSED 01:5")).to_be_visible()
    count = len(sounds(page))
    page.clock.run_for(61_000)
    assert len(sounds(page)) == count
    expect(page.get_by_role("button", name="AUDIO PAUSED 00:5")).to_be_visible()
    stub.change("4", {"severity": "high", "revision": 2, "changed": stamp()})
    expect(page.get_by_role("button", name="Sound: on")).to_be_visible()
    page.clock.run_for(1000)
    assert sounds(page)[-1] == "high"
    assert len(sounds(page)) == count + 1
