"""llama.cpp's chunks, chat or completion, as generation events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal

from tandem.domain.errors import ContextTooLong, DeadlineExceeded, InvalidRequest, TandemError, UpstreamFailed
from tandem.domain.generation import Finished, GenerationEvent, Token, Usage


async def events(
    chunks: Callable[[], AsyncIterator[dict[str, Any]]], left_s: Callable[[], float | None]
) -> AsyncIterator[GenerationEvent]:
    """Tokens, then the end. Raises `ContextTooLong`, `InvalidRequest`, `UpstreamFailed`, `DeadlineExceeded`."""
    reason: Literal["stop", "length"] | None = None
    try:
        async with asyncio.timeout(left_s()):
            async for chunk in chunks():
                if "error" in chunk:
                    raise failure(chunk["error"])
                for choice in chunk.get("choices", ()):
                    reason = choice.get("finish_reason") or reason
                    if text := _text(choice):
                        yield Token(text)
                if reason and (usage := chunk.get("usage")):
                    yield Finished(reason, Usage(usage["prompt_tokens"], usage["completion_tokens"]))
                    return
    except TimeoutError as error:
        raise DeadlineExceeded("generation") from error
    raise UpstreamFailed("llama.cpp ended the answer without an end.")


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
