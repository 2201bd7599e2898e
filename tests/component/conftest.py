"""What the page's tests share: a browser for each module, and a backend that every test finds as new."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from fakes.page_backend import PageBackend


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """The system's Chromium; skips where there is none."""
    from component.browser import chromium

    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def served() -> "Iterator[tuple[PageBackend, str]]":
    """A backend and where it listens."""
    from fakes.page_backend import PageBackend, running

    backend = PageBackend()
    with running(backend) as url:
        yield backend, url


@pytest.fixture
def backend(served: "tuple[PageBackend, str]") -> "PageBackend":
    """With nothing in it, and nothing seen."""
    served[0].clear()
    return served[0]


@pytest.fixture
def url(backend: "PageBackend", served: tuple["PageBackend", str]) -> str:
    """The page of that backend."""
    assert backend is served[0]
    return served[1]


@pytest.fixture
def page(browser: "Browser", url: str) -> "Iterator[Page]":
    """A fresh tab on it."""
    from component.browser import tab

    with tab(browser, url) as opened:
        yield opened
