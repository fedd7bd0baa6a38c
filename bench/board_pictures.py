"""The pictures of the README: the scripted ward and one of its patients, in the dark theme.

    python -m bench.board_pictures [--out docs/pictures]

Playwright and Debian's Chromium are needed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from playwright.sync_api import Browser, Page, sync_playwright

from bench.board_stub import BoardStub
from bench.board_ward import EPOCH

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window; `FileNotFoundError` where there is none."""
    path = which("chromium")
    if path is None:
        raise FileNotFoundError("no chromium on PATH: install Debian's chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield running
        running.close()


def opened(browser: Browser, stub: BoardStub, *, height: int) -> Page:
    """The ward, 1920 pixels wide, at the time of the script, with nothing flashing."""
    context = browser.new_context(
        viewport={"width": 1920, "height": height}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.clock.install(time=EPOCH)
    page.goto(stub.url)
    page.wait_for_selector(".card")
    return page


def main() -> None:
    """Write `board-ward.png` and `board-patient.png`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"), help="folder")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with BoardStub().running() as stub, chromium() as browser:
        page = opened(browser, stub, height=1080)
        page.screenshot(path=out / "board-ward.png")
        page.locator('.card[aria-label^="Bed 2,"]').click()
        page.wait_for_selector(".history li")
        page.screenshot(path=out / "board-patient.png")
    for picture in sorted(out.glob("board-*.png")):
        print(f"{picture}: {picture.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
