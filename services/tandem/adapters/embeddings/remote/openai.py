"""Whatever speaks OpenAI's `POST /v1/embeddings`: vLLM, Ollama, a cloud's service, another Tandem."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tandem.adapters.embeddings.remote.counting import counter
from tandem.adapters.embeddings.remote.embedder import Prefixes, RemoteEmbedder, Room, unit_rows
from tandem.adapters.embeddings.remote.naming import card_name
from tandem.adapters.embeddings.remote.posts import Pause, Waits
from tandem.adapters.embeddings.remote.sessions import posting
from tandem.ports.embedder import EmbedderCard

_MAX_TOKENS = 512
_BATCH_TOKENS = 16_384
# OpenAI takes 2048 texts, small servers far fewer; the tokens bound a call before in most cases.
_TEXTS_PER_CALL = 64


class _OpenAi:
    path = "/v1/embeddings"

    def __init__(self, model: str) -> None:
        self._model = model

    def body(self, texts: Sequence[str]) -> dict[str, Any]:
        return {"model": self._model, "input": list(texts), "encoding_format": "float"}

    def rows(self, answer: Any) -> list[Any]:
        placed = {row["index"]: row["embedding"] for row in answer["data"]}
        return [placed[index] for index in range(len(placed))]


@asynccontextmanager
async def openai_embedder(
    url: str,
    *,
    model: str,
    api_key: str | None = None,
    tokenizer: str | None = None,
    prefixes: Prefixes = Prefixes(),  # noqa: B008 - it is frozen
    max_tokens: int | None = None,
    batch_tokens: int | None = None,
    at_once: int = 4,
    waits: Waits = Waits(30.0, 60.0),  # noqa: B008 - it is frozen
    pause: Pause = asyncio.sleep,
) -> AsyncIterator[RemoteEmbedder]:
    """`model` at the server at `url`, without the /v1. The protocol tells no limits: `max_tokens`, 512 unless given, is
    what one text may have.

    Raises `ConfigurationError`, `UpstreamUnavailable`, `UpstreamFailed`.
    """
    counting = await asyncio.to_thread(counter, tokenizer)
    async with posting(url, api_key, waits, at_once, pause) as posts:
        speech = _OpenAi(model)
        (probe,) = unit_rows(speech, await posts.post(speech.path, speech.body(["tandem"])), 1, None)
        card = EmbedderCard(card_name(model, None, counting.name, prefixes), len(probe), max_tokens or _MAX_TOKENS)
        room = Room(batch_tokens or _BATCH_TOKENS, _TEXTS_PER_CALL)
        yield RemoteEmbedder(posts, speech, card, counting, room, prefixes)
