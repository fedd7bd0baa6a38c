"""Pages for everybody: axe finds nothing serious, no motion where none is wanted, all zooms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from bench.board_stub import BoardStub
from tests.board.bed import of_bed
from tests.board.conftest import Screens
from tests.support.paths import ROOT

AXE = (ROOT / "tests" / "support" / "vendor" / "axe-4.14.1.min.js").read_text()


def patient(page: Page) -> None:
    of_bed(page, "2").click()
    page.wait_for_selector(".history li")


def dialog(page: Page) -> None:
    of_bed(page, "2").focus()
    page.keyboard.press("s")
    page.wait_for_selector("dialog[open]")


def screen(name: str) -> Callable[[Page], None]:
    def go(page: Page) -> None:
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_selector("main.sheet :is(tbody tr, .handover li, .keys)")

    return go


STEPS: dict[str, Callable[[Page], None]] = {
    "ward": lambda _page: None,
    "dialog": dialog,
    "patient": patient,
    **{name.lower(): screen(name) for name in ("Alerts", "Handover", "Burden", "Audit", "About")},
}


def serious(page: Page) -> list[str]:
    """What axe calls serious or critical, with the element."""
    violations = page.evaluate(
        """async () => {
          const { violations } = await axe.run({ resultTypes: ['violations'] });
          return violations.filter((v) => ['serious', 'critical'].includes(v.impact))
            .flatMap((v) => v.nodes.map((n) => `${v.id} ${n.target} ${n.failureSummary}`));
        }"""
    )
    return [str(f) for f in violations]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious_on_any_screen(
    screens: Screens, stub: BoardStub, theme: str
) -> None:
    # Without flashing: half of its time a flashing band has the colours of the card.
    page = screens.open(stored={"theme": theme})
    page.evaluate(AXE)
    stub.beat(kafka="away", kafka_since="2026-11-27T09:40:00Z")
    expect(page.get_by_role("alert")).to_be_visible()
    for name, step in STEPS.items():
        step(page)
        assert serious(page) == [], name
        page.keyboard.press("Escape")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_selector(".login")
    assert serious(page) == [], "login"
    stub.reset()
    page.goto(stub.url + "/?wall=ICU%201")
    page.wait_for_selector(".card")
    page.evaluate(AXE)
    assert serious(page) == [], "wall"
    screens.complaints.clear()  # The browser names each answer of 401.


def test_flashing_is_slow_only_while_unanswered_and_none_where_no_motion_is_wanted(
    screens: Screens,
) -> None:
    page = screens.open(reduced_motion=False)
    beds = page.evaluate(
        """Object.fromEntries([...document.querySelectorAll('.card')].flatMap((c) =>
          c.getAnimations({ subtree: true }).map((a) =>
            [c.querySelector('.bed').textContent, 1000 / a.effect.getTiming().duration])))"""
    )
    assert {bed: round(hertz, 1) for bed, hertz in beds.items()} == {"2": 2.0, "4": 0.6, "22": 0.6}
    assert page.evaluate(
        "document.getAnimations().every((a) => 1000 / a.effect.getTiming().duration <= 2.8)"
    )
    still = screens.open()
    assert still.evaluate("document.getAnimations().length") == 0
    expect(of_bed(still, "2")).to_contain_text("*** HIGH")


# 200 % zoom of 1280 px is 640 px.
@pytest.mark.parametrize("width", [640, 320])
def test_narrow_and_zoomed_pages_lose_nothing_and_scroll_one_way(
    screens: Screens, width: int
) -> None:
    page = screens.open(size=(width, 720))
    for name, step in STEPS.items():
        step(page)
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, name
        cut = page.evaluate(
            """[...document.querySelectorAll('main :is(b, p, h1, h2, button, dt, dd), dialog *')]
              .filter((e) => e.offsetParent && !e.closest('.scroll, .plot, .hidden, svg'))
              .filter((e) => { const r = e.getBoundingClientRect();
                return r.right > innerWidth + 1 || r.left < -1; })
              .map((e) => e.outerHTML.slice(0, 80))"""
        )
        assert cut == [], name
        page.keyboard.press("Escape")
