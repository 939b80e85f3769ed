"""A headless Chromium, as somebody who works in the back office uses it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, ViewportSize, expect, sync_playwright

from crm_project.testing.server import Server

NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW_TO_INSTALL = (
    "There is no Chromium for the tests of the back office. As root on Debian or Ubuntu: "
    "apt-get install chromium fonts-dejavu. Elsewhere install Chrome, or name a Chromium in CHROMIUM."
)
# Without a sandbox, which root may not use; and asking nobody for anything.
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}
MILLISECONDS_TO_WAIT = 20_000


class Visitor:
    """Somebody with a browser window of their own on the server; what went wrong in it is in `complaints`."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.server = server
        self.complaints: list[str] = []
        context.set_default_timeout(MILLISECONDS_TO_WAIT)
        self.page: Page = context.new_page()
        self.page.on("console", self._note_error)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._note_stranger(request.url))

    def go(self, address: str) -> Self:
        """Open an address of the server."""
        self.page.goto(self.server.base_url + address)
        return self

    def log_in(self, name: str, password: str) -> Self:
        """Log in by the form."""
        self.go("/admin/login/")
        self.page.fill("[name=username]", name)
        self.page.fill("[name=password]", password)
        self.page.press("[name=password]", "Enter")
        self.page.wait_for_url(lambda url: "/login/" not in url)
        return self

    def cookies(self) -> StorageState:
        """Return what other windows need to be those of the same user."""
        return self.page.context.storage_state()

    def _note_error(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _note_stranger(self, url: str) -> None:
        if urlsplit(url).scheme.startswith("http") and not url.startswith(self.server.base_url):
            self.complaints.append(f"asked for {url}")


class Visit:
    """Lets visitors come, each with cookies of their own."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.visitors: list[Visitor] = []

    def __call__(
        self,
        server: Server,
        *,
        language: str = "en",
        size: ViewportSize = WIDE,
        dark: bool = False,
        cookies: StorageState | None = None,
    ) -> Visitor:
        """Open a window on the server, in a language, a size and a colour scheme, with nobody's or known cookies."""
        context = self._browser.new_context(
            locale=language,
            viewport=size,
            color_scheme="dark" if dark else "light",
            timezone_id="Europe/Moscow",
            storage_state=cookies,
        )
        visitor = Visitor(context, server)
        self.visitors.append(visitor)
        return visitor


def chromium() -> str:
    """Return the path of a Chromium. Raises LookupError with the way to get one."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise LookupError(HOW_TO_INSTALL)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Keep one Chromium for a module; without any the test fails with the way to install it.

    Playwright keeps an event loop in the thread of the test, where Django would refuse to touch a database.
    """
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        expect.set_options(timeout=MILLISECONDS_TO_WAIT)
        try:
            path = chromium()
        except LookupError as error:
            pytest.fail(str(error))
        running = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield running
        running.close()


@contextmanager
def visiting(browser: Browser) -> Iterator[Visit]:
    """Let visitors come; when they leave, nothing may have gone wrong, and nobody else been asked for anything."""
    visit = Visit(browser)
    yield visit
    for visitor in visit.visitors:
        visitor.page.context.close()
    assert [complaint for visitor in visit.visitors for complaint in visitor.complaints] == []


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Open windows that are closed when the test ends."""
    with visiting(browser) as visit:
        yield visit
