"""One browser and one scripted board for all tests of the pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from bench.board_pictures import CHROMIUM_FLAGS
from bench.board_stub import BoardStub
from bench.board_ward import EPOCH


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on this machine: install Debian's chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="session")
def served() -> Iterator[BoardStub]:
    with BoardStub().running() as stub:
        yield stub


@pytest.fixture
def stub(served: BoardStub) -> BoardStub:
    """The scripted ward from its beginning."""
    served.reset()
    return served


class Profiles:
    """Profiles of the browser, which tests use in turn.

    An empty page keeps each open: the only page of a profile takes twice as long as a second one.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    def page(self, number: int, origin: str) -> Page:
        """A new page in a profile that keeps nothing of ``origin``."""
        if number == len(self._contexts):
            self._contexts.append(self._browser.new_context())
            self._contexts[number].new_page()
        context = self._contexts[number]
        page = context.new_page()
        asks = context.new_cdp_session(page)
        asks.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        asks.detach()
        return page


@pytest.fixture(scope="session")
def profiles(browser: Browser) -> Profiles:
    return Profiles(browser)


@dataclass
class Screens:
    """Opens pages at the time of the script, and keeps what a browser complains of."""

    profiles: Profiles
    stub: BoardStub
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    def open(
        self,
        path: str = "/",
        *,
        size: tuple[int, int] = (1280, 720),
        stored: dict[str, str] | None = None,
        reduced_motion: bool = True,
        wait: str = ".card",
    ) -> Page:
        """A page in a profile of its own, once `wait` is there; `stored` is its local storage.

        Without a graphics card, flashing costs most of a test's time: it is off where it is
        not what is tested.
        """
        page = self.profiles.page(len(self.pages), self.stub.url)
        self.pages.append(page)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(reduced_motion="reduce" if reduced_motion else "no-preference")
        page.set_default_timeout(10_000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._see(request.url))
        page.clock.install(time=EPOCH)
        for name, value in (stored or {}).items():
            page.add_init_script(f"localStorage.setItem('vigil.{name}', '{value}')")
        page.goto(self.stub.url + path)
        page.wait_for_selector(wait)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _see(self, url: str) -> None:
        if not url.startswith((self.stub.url, "data:")):
            self.strangers.append(url)


@pytest.fixture
def screens(profiles: Profiles, stub: BoardStub) -> Iterator[Screens]:
    """Each test ends with a look at the console: no error, no request to another origin."""
    opened = Screens(profiles, stub)
    yield opened
    for page in opened.pages:
        page.close()
    assert not opened.strangers
    assert not opened.complaints


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")
