"""HTTP to one predictor: bytes and statuses, before any protocol is read into them."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from tandem.domain.context import RequestContext


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `retry_after_s` is what its `Retry-After` header asks for, within reason."""

    status: int
    content_type: str
    body: bytes
    retry_after_s: float | None = None


class Reply(Protocol):
    """An answer on its way: its head is here, its body is read as it comes."""

    @property
    def status(self) -> int:
        """As sent."""
        ...

    @property
    def content_type(self) -> str:
        """In lower case, without parameters; empty when none was sent."""
        ...

    @property
    def first(self) -> bool:
        """True on a connection that carried no answer before: behind it may be another server than behind those."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives, cut anywhere. Raises `ConnectionError` when the connection breaks before its end."""
        ...

    async def whole(self) -> Answer:
        """The body to its end or to 64 KB: what an answer that is no stream says.

        Raises `UpstreamUnavailable`, `DeadlineExceeded`.
        """
        ...


class Wire(Protocol):
    """Calls to one server. Redirects are not followed: only what is configured is called."""

    async def get(self, path: str, *, timeout_s: float) -> Answer:
        """A whole answer. Raises `UpstreamUnavailable` when there is none in time."""
        ...

    def post(self, path: str, body: bytes, context: RequestContext) -> AbstractAsyncContextManager[Reply]:
        """The head of the answer to a JSON body. Leaving closes the connection unless the body was read to its end.

        Raises `UpstreamUnavailable` when no connection stands or no head comes in time, `DeadlineExceeded`.
        """
        ...
