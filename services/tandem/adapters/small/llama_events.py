"""llama.cpp's chunks, chat or completion, as generation events."""

import asyncio
import codecs
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Literal

from tandem.domain.errors import ContextTooLong, DeadlineExceeded, InvalidRequest, TandemError, UpstreamFailed
from tandem.domain.generation import Finished, GenerationEvent, Token, Usage
from tandem.ports.engine import TextToken


async def events(
    chunks: Callable[[], AsyncIterator[dict[str, Any]]], left_s: Callable[[], float | None]
) -> AsyncIterator[GenerationEvent]:
    """Tokens, then the end. Raises `ContextTooLong`, `InvalidRequest`, `UpstreamFailed`, `DeadlineExceeded`."""
    reason: Literal["stop", "length"] | None = None
    told = chunks()
    while (chunk := await _next(told, left_s())) is not None:
        if "error" in chunk:
            raise failure(chunk["error"])
        for choice in chunk.get("choices", ()):
            reason = choice.get("finish_reason") or reason
            if text := _text(choice):
                yield Token(text)
        if reason and (usage := chunk.get("usage")):
            yield Finished(reason, Usage(usage["prompt_tokens"], usage["completion_tokens"]))
            return
    raise UpstreamFailed("llama.cpp ended the answer without an end.")


async def _next(told: AsyncIterator[dict[str, Any]], left_s: float | None) -> dict[str, Any] | None:
    # Around this wait only: a timeout that is still open while the reader works would cancel the reader's own task.
    if left_s is not None and left_s <= 0:
        raise DeadlineExceeded("generation")
    try:
        async with asyncio.timeout(left_s):
            return await anext(told, None)
    except TimeoutError as error:
        raise DeadlineExceeded("generation") from error


def _text(choice: Mapping[str, Any]) -> str:
    return choice.get("text") or (choice.get("delta") or {}).get("content") or ""


def failure(error: Mapping[str, Any]) -> TandemError:
    """llama.cpp's error object as one of ours."""
    message = str(error.get("message", "unknown"))
    if error.get("type") == "exceed_context_size_error":
        return ContextTooLong(
            f"The prompt has {error.get('n_prompt_tokens')} tokens; the model's context holds {error.get('n_ctx')}.",
            hint="Ask for fewer passages (tandem.top_k), or raise predictor.context_tokens.",
        )
    if error.get("code") == 400:
        return InvalidRequest(f"llama.cpp refuses the request: {message}")
    return UpstreamFailed(f"llama.cpp failed: {message}")


def text_tokens(entries: Sequence[Mapping[str, Any]]) -> list[TextToken]:
    """llama.cpp's tokens with the characters they cover. A piece is text, or bytes where it is part of a character: such
    a token covers the character when it completes it, and nothing before."""
    tokens: list[TextToken] = []
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    start = 0
    for entry in entries:
        piece = entry["piece"]
        text = decoder.decode(piece.encode() if isinstance(piece, str) else bytes(piece))
        tokens.append(TextToken(entry["id"], text, start, start + len(text)))
        start += len(text)
    return tokens
