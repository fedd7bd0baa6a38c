"""The locator of a bed on a page."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


def of_bed(page: Page, number: str) -> Locator:
    """The card of a bed."""
    return page.locator(f'.card[aria-label^="Bed {number},"]')


def text_of(page: Page, number: str) -> str:
    """The text of a card, on one line."""
    return " ".join(of_bed(page, number).inner_text().split())


def focused(page: Page) -> str:
    """The label of the focused card."""
    return str(page.evaluate("document.activeElement.getAttribute('aria-label')"))
