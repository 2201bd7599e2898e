"""The system's Chromium, headless, watched: a page that misbehaves fails its test."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = (1280, 800)
PHONE = (360, 740)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; skips where none is installed."""
    if _CHROMIUM is None or not Path(_CHROMIUM).exists():
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        # Without Chromium's own sandbox, which containers and root cannot have; it only opens pages of our own.
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, chromium_sandbox=False, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def tab(browser: Browser, url: str, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> Iterator[Page]:
    """A fresh tab on the page. Scripts that fail, blocked content and requests to other places fail the test."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        has_touch=size == PHONE,
        locale="en-GB",
    )
    try:
        page = _watched(context, url)
        page.goto(url)
        yield page
        assert page.faults == []  # type: ignore[attr-defined]
    finally:
        context.close()


def _watched(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(20_000)
    faults: list[str] = []
    home = url.partition("#")[0]
    page.faults = faults  # type: ignore[attr-defined]

    def console(message: ConsoleMessage) -> None:
        # Chromium reports every 4xx and 5xx answer this way; those are what the tests ask for.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            faults.append(message.text)

    def requested(request: Request) -> None:
        if not request.url.startswith((home, "data:")):
            faults.append(request.url)

    page.on("console", console)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", requested)
    return page


def ask(page: Page, question: str) -> None:
    """Type a question and send it."""
    page.fill("#question", question)
    page.press("#question", "Enter")
