"""Hugging Face's text-embeddings-inference: `POST /embed`, `GET /info`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tandem.adapters.embeddings.remote.counting import counter
from tandem.adapters.embeddings.remote.embedder import Prefixes, RemoteEmbedder, Room, unit_rows
from tandem.adapters.embeddings.remote.naming import card_name
from tandem.adapters.embeddings.remote.posts import Pause, Waits, unreadable
from tandem.adapters.embeddings.remote.sessions import posting
from tandem.domain.errors import ConfigurationError
from tandem.ports.embedder import EmbedderCard


class _Info(BaseModel):
    """What is used of `/info`."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_id: str
    model_sha: str | None = None
    max_input_length: int
    max_batch_tokens: int = 16_384
    max_client_batch_size: int = 32


class _Tei:
    path = "/embed"

    def body(self, texts: Sequence[str]) -> dict[str, Any]:
        # Its tokenizer has the last word on what is too long.
        return {"inputs": list(texts), "normalize": True, "truncate": True}

    def rows(self, answer: Any) -> list[Any]:
        return list(answer)


@asynccontextmanager
async def tei_embedder(
    url: str,
    *,
    model: str | None = None,
    api_key: str | None = None,
    tokenizer: str | None = None,
    prefixes: Prefixes = Prefixes(),  # noqa: B008 - it is frozen
    max_tokens: int | None = None,
    batch_tokens: int | None = None,
    at_once: int = 4,
    waits: Waits = Waits(30.0, 60.0),  # noqa: B008 - it is frozen
    pause: Pause = asyncio.sleep,
) -> AsyncIterator[RemoteEmbedder]:
    """The model that the server at `url` runs. `model` is what it must be, where given; `max_tokens` and `batch_tokens`
    can only lower what the server says that it takes.

    Raises `ConfigurationError` for another model, `UpstreamUnavailable`, `UpstreamFailed`.
    """
    counting = await asyncio.to_thread(counter, tokenizer)
    async with posting(url, api_key, waits, at_once, pause) as posts:
        try:
            info = _Info.model_validate(await posts.get("/info"))
        except ValidationError as error:
            raise unreadable() from error
        if model is not None and model != info.model_id:
            raise ConfigurationError(
                f"The embedding server runs {info.model_id}, embedder.model is {model}.",
                hint="Set embedder.model to the server's, or leave it out.",
            )
        speech = _Tei()
        (probe,) = unit_rows(speech, await posts.post(speech.path, speech.body(["tandem"])), 1, None)
        taken = min(filter(None, (info.max_input_length, max_tokens)))
        name = card_name(info.model_id, info.model_sha, counting.name, prefixes)
        room = Room(min(filter(None, (info.max_batch_tokens, batch_tokens))), info.max_client_batch_size)
        yield RemoteEmbedder(posts, speech, EmbedderCard(name, len(probe), taken), counting, room, prefixes)
