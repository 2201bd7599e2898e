"""An embedding server by its settings, and a retriever as one."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from tandem.app.features import Embedder as EmbedderSettings
from tandem.app.settings import Settings
from tandem.domain.errors import ConfigurationError
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


# The retriever knows better where a text is to be cut.
_UNCUT = 1_000_000


@asynccontextmanager
async def embedding_peer(settings: Settings) -> AsyncIterator[Embedder]:
    """The model of the retriever, which speaks OpenAI's protocol. Its tokens are counted as it counts them."""
    from tandem.adapters.embeddings.remote import openai_embedder

    peer = settings.retriever
    if peer.url is None:
        raise ConfigurationError("There is no retriever by URL.", param="retriever.url")
    async with openai_embedder(
        peer.url,
        model="tandem",
        api_key=peer.api_key.get_secret_value() if peer.api_key else None,
        tokenizer="bert-uncased" if settings.embedder.url is None else settings.embedder.tokenizer,
        max_tokens=_UNCUT,
    ) as remote:
        yield remote
