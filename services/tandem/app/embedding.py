"""An embedding server by its settings."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from tandem.app.features import Embedder as EmbedderSettings
from tandem.ports.embedder import Embedder


@asynccontextmanager
async def embedding_server(chosen: EmbedderSettings, url: str) -> AsyncIterator[Embedder]:
    """The model at `url`, spoken to as the settings say."""
    from tandem.adapters.embeddings.remote import openai_embedder, tei_embedder
    from tandem.adapters.embeddings.remote.embedder import Prefixes
    from tandem.adapters.embeddings.remote.posts import Waits

    common: dict[str, Any] = {
        "api_key": chosen.api_key.get_secret_value() if chosen.api_key else None,
        "tokenizer": chosen.tokenizer,
        "prefixes": Prefixes(chosen.query_prefix, chosen.document_prefix),
        "max_tokens": chosen.max_tokens,
        "batch_tokens": chosen.batch_tokens,
        "at_once": chosen.max_concurrency,
        "waits": Waits(chosen.timeout_s, chosen.patience_s),
    }
    server: AbstractAsyncContextManager[Embedder]
    if chosen.protocol == "openai":
        server = openai_embedder(url, model=chosen.model, **common)
    else:
        server = tei_embedder(url, model=None if chosen.model == "minilm" else chosen.model, **common)
    async with server as remote:
        yield remote
