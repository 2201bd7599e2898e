"""The last words to a client whose answer the process has no time left to finish: a status, or an event, never silence."""

import asyncio
from collections.abc import Callable

import orjson
from starlette.types import Message, Receive, Scope, Send

from tandem.domain.errors import ShuttingDown, TandemError
from tandem.http.errors import error_body, error_reply, status_of
from tandem.http.lifecycle import Lifecycle

EventOf = Callable[[str, TandemError], bytes]
"""How a stream of this path tells an error."""


def openai_event(_: str, error: TandemError) -> bytes:
    """As in every stream of answers: an `error` object, and no `[DONE]`."""
    return b"data: " + orjson.dumps(error_body(error)) + b"\n\n"


class Farewell:
    """Turns the cancellation by a server whose time is up into an answer; any other cancellation is none of its."""

    def __init__(self, lifecycle: Lifecycle, event_of: EventOf = openai_event) -> None:
        self._lifecycle = lifecycle
        self._event_of = event_of

    @property
    def due(self) -> bool:
        """True when a cancellation means that the process ends."""
        return self._lifecycle.over

    async def say(self, scope: Scope, receive: Receive, send: Send, start: Message | None) -> int:
        """Finish the response whose `start` was sent, or send a whole one; the status that the request counts as."""
        error = ShuttingDown("This server is shutting down before it could finish; ask again.")
        if (task := asyncio.current_task()) is not None:
            # Taken note of: what is sent from here on must not be taken for cancelled by whoever asks.
            task.uncancel()
        if start is None:
            await error_reply(error)(scope, receive, send)
        elif _is_stream(start):
            event = self._event_of(scope["path"], error)
            await send({"type": "http.response.body", "body": event, "more_body": False})
        return status_of(error)


def _is_stream(start: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in start["headers"])
