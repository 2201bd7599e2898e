"""Waiting for what a cluster does in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

from e2e.commands import CommandFailed

T = TypeVar("T")


def until(what: str, look: Callable[[], T | None], *, within_s: float, every_s: float = 0.5) -> T:
    """The first true answer of `look`. Raises `AssertionError` that names `what`, and what was seen last, after `within_s`."""
    ends_s = time.monotonic() + within_s
    while True:
        seen: object
        try:
            seen = found = look()
            if found:
                return found
        except CommandFailed as error:
            seen = error
        if time.monotonic() >= ends_s:
            raise AssertionError(f"not within {within_s:g} s: {what}; last seen: {seen}")
        time.sleep(every_s)
