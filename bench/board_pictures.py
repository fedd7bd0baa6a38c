"""The pictures of the README: the scripted ward and one of its patients, in the dark theme.

    python -m bench.board_pictures [--out docs/pictures] [--all]

Playwright and Debian's Chromium are needed.
"""

from __future__ import annotations

import argparse
import io
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from PIL import Image
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

_COLOURS = 96
_SIZES = ((1920, 1080), (1280, 720), (390, 844))
_SCREENS = ("ward", "dialog", "patient", "alerts", "handover", "burden", "audit", "about")


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


def opened(
    browser: Browser,
    stub: BoardStub,
    size: tuple[int, int],
    theme: str = "dark",
    path: str = "/",
) -> Page:
    """The ward at the time of the script, with nothing flashing."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.clock.install(time=EPOCH)
    page.add_init_script(f"localStorage.setItem('vigil.theme', '{theme}')")
    page.goto(stub.url + path)
    page.wait_for_selector(".card")
    return page


def take(browser: Browser, stub: BoardStub, folder: Path) -> list[Path]:
    """Takes the ward and a patient, 1440 pixels wide, and writes small pictures of both."""
    page = opened(browser, stub, (1440, 900))
    pictures = {"board-ward": page.screenshot()}
    page.locator('.card[aria-label^="Bed 2,"]').click()
    page.wait_for_selector(".history li")
    pictures["board-patient"] = page.screenshot()
    page.context.close()
    files = []
    for name, content in pictures.items():
        file = folder / f"{name}.png"
        # A page has few colours: a palette of them is a third of the size.
        Image.open(io.BytesIO(content)).convert("RGB").quantize(_COLOURS).save(file, optimize=True)
        files.append(file)
    return files


def take_all(browser: Browser, stub: BoardStub, folder: Path) -> list[Path]:
    """Takes each screen in each size and both themes, whole pages, to be looked at by eye."""
    files = []
    for (width, height), theme in itertools.product(_SIZES, ("dark", "light")):
        page = opened(browser, stub, (width, height), theme)
        for screen in _SCREENS:
            if screen == "patient":
                page.locator('.grid .card[aria-label^="Bed 2,"]').click()
                page.wait_for_selector(".history li")
            elif screen == "dialog":
                page.locator('.grid .card[aria-label^="Bed 2,"]').focus()
                page.keyboard.press("s")
                page.wait_for_selector("dialog[open]")
            elif screen != "ward":
                page.get_by_role("link", name=screen.title(), exact=True).click()
                page.wait_for_selector("main.sheet :is(tbody tr, .handover li, .tile, .keys)")
            files.append(folder / f"{screen}-{width}-{theme}.png")
            page.screenshot(path=files[-1], full_page=width < _SIZES[0][0])
            if screen in ("patient", "dialog"):
                page.keyboard.press("Escape")
                page.wait_for_selector(".grid .card")
        page.context.close()
        wall = opened(browser, stub, (width, height), theme, "/?wall=ICU%201")
        files.append(folder / f"wall-{width}-{theme}.png")
        wall.screenshot(path=files[-1])
        wall.context.close()
    return files


def main() -> None:
    """Write `board-ward.png` and `board-patient.png`, or all screens."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"), help="folder")
    parser.add_argument("--all", action="store_true", help="each screen, size and theme instead")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with BoardStub().running() as stub, chromium() as browser:
        files = (take_all if options.all else take)(browser, stub, options.out)
    for picture in files:
        print(f"{picture}: {picture.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
