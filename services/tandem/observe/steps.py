"""Ports whose calls are steps of the work that they are made for."""

from collections.abc import Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from tandem.domain.steps import Step

P = TypeVar("P")


def stepped(port: P, calls: Mapping[str, str]) -> P:
    """The port, with those of its coroutines noted under the name that `calls` gives them. The others are its own."""
    return cast("P", _Stepped(port, calls))


class _Stepped:
    """Everything that is not a step is looked up at the port, so that a port that grows needs nothing here."""

    def __init__(self, port: object, calls: Mapping[str, str]) -> None:
        self._port = port
        for call, name in calls.items():
            setattr(self, call, _step(getattr(port, call), name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


def _step(call: Any, name: str) -> Any:
    @wraps(call)
    async def noted(*args: Any, **named: Any) -> Any:
        with Step(name):
            return await call(*args, **named)

    return noted
