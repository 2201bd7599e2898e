"""Where a command's store is: a running Tandem by URL, the configured peers, or the embedded store on this disk."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from pydantic import SecretStr

from tandem.app import parts
from tandem.app.serving import running_on
from tandem.app.settings import Settings, load_settings
from tandem.cli.console import err, run
from tandem.domain.context import RequestContext
from tandem.domain.groups import EVERY_GROUP
from tandem.ports.ingestor import Ingestor
from tandem.ports.retriever import Retriever

T = TypeVar("T")


def settings_for(
    config: Path | None, data_dir: Path | None, url: str | None, api_key: str | None, **overrides: Any
) -> Settings:
    """The configuration with a command's flags on top."""
    settings = load_settings(config, data_dir=data_dir, **overrides)
    url = url or served_by(settings)
    if url is None:
        return settings
    peer = settings.retriever.model_copy(
        update={
            "url": url,
            "api_key": SecretStr(api_key) if api_key else settings.retriever.api_key,
            # A person's key speaks for itself.
            "as_peer": False,
        }
    )
    return settings.model_copy(update={"retriever": peer})


def served_by(settings: Settings) -> str | None:
    """URL of the running Tandem that has the embedded store of these settings, if any; that is said."""
    if settings.retriever.url is not None or settings.vectors.url is not None:
        return None
    url = running_on(settings.data_dir)
    if url is not None:
        err.print(f"[dim]The store under {settings.data_dir} is served by {url}; going through it.[/]")
    return url


@asynccontextmanager
async def features(settings: Settings) -> AsyncIterator[tuple[Retriever, Ingestor]]:
    """Retrieval and documents, opened as the settings say."""
    async with parts.shared(parts.embedder(settings)) as dense, parts.features(settings, dense) as both:
        yield both


def context() -> RequestContext:
    """A context for work that a person started at a terminal: no deadline, the default tenant.

    Who can open the store's files can read them all, so no access list hides anything. Through a running Tandem the
    key's own tenant and groups count instead.
    """
    return RequestContext(request_id=f"cli-{uuid4().hex}", groups=(EVERY_GROUP,))


def with_documents(
    work: Callable[[Ingestor, RequestContext], Awaitable[T]],
    config: Path | None,
    data_dir: Path | None,
    url: str | None,
    api_key: str | None,
) -> T:
    """What `work` returns, given the documents that a command's flags name."""
    settings = settings_for(config, data_dir, url, api_key)

    async def opened() -> T:
        async with features(settings) as (_, ingestor):
            return await work(ingestor, context())

    return run(opened())
