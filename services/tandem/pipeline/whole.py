"""An answer heard to its end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from tandem.domain.answer import Answered, AnswerEvent, Found
from tandem.domain.context import RequestContext
from tandem.domain.errors import UpstreamFailed
from tandem.domain.generation import Token
from tandem.domain.question import Question


class Answers(Protocol):
    """The flow that every serving mode takes, `pipeline/answering.py`."""

    def answer(
        self, question: Question, context: RequestContext
    ) -> AbstractAsyncContextManager[AsyncIterator[AnswerEvent]]:
        """`Found`, tokens, `Answered`."""
        ...


async def whole(
    answering: Answers,
    question: Question,
    context: RequestContext,
    on_token: Callable[[str], Awaitable[None]] | None = None,
) -> tuple[Found, str, Answered]:
    """What was found, the text, and the end; each token is told to `on_token` as it comes. Raises what the flow raises."""
    found: Found | None = None
    end: Answered | None = None
    pieces: list[str] = []
    async with answering.answer(question, context) as events:
        async for event in events:
            match event:
                case Found():
                    found = event
                case Token(text):
                    pieces.append(text)
                    if on_token is not None:
                        await on_token(text)
                case Answered():
                    end = event
    if found is None or end is None:
        raise UpstreamFailed("The answer was cut short.")
    return found, "".join(pieces), end
