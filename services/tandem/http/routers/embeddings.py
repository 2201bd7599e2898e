"""Vectors of texts, as documents have them here."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from starlette.responses import Response

from tandem.admission.quotas import Quotas
from tandem.domain.context import RequestContext
from tandem.domain.errors import InvalidRequest, UnknownModel
from tandem.http.exchange import context_of
from tandem.http.json_route import JsonRoute
from tandem.http.presence import while_wanted
from tandem.http.reply import json_reply
from tandem.http.routers.chat import ALIAS
from tandem.http.wire.embeddings import EmbeddingsRequest, WireEmbeddings, WireUsage, wire_embedding
from tandem.http.wire.errors import BEHIND, faults
from tandem.pipeline.text_vectors import text_vectors
from tandem.ports.clock import Clock
from tandem.ports.embedder import Embedder, EmbedderCard


def embeddings_router(
    embedder: Callable[[], Awaitable[Embedder]], *, clock: Clock, quotas: Quotas | None = None
) -> APIRouter:
    """`embedder` is opened with the first request: a gateway that is never asked loads no model."""
    router = APIRouter(tags=["models"], route_class=JsonRoute)

    @router.post(
        "/v1/embeddings",
        responses={200: {"model": WireEmbeddings}, **faults(404, 415, *BEHIND)},
        summary="Embed texts",
    )
    async def embeddings(body: EmbeddingsRequest, request: Request) -> Response:
        context = context_of(request)
        left_s = None if context.deadline_s is None else context.deadline_s - clock.monotonic_s()
        work = _answer(await embedder(), body, quotas, context)
        return json_reply(await while_wanted(work, request.receive, left_s=left_s, stage="embedding"))

    return router


async def _answer(
    embedder: Embedder, body: EmbeddingsRequest, quotas: Quotas | None, context: RequestContext
) -> WireEmbeddings:
    card = embedder.card
    if body.model not in {ALIAS, card.name, card.name.partition("@")[0]}:
        raise UnknownModel(f"There is no embedding model {body.model[:100]!r} here.", hint=_models(card), param="model")
    if body.dimensions not in {None, card.dimensions}:
        raise InvalidRequest(f"{card.name} has {card.dimensions} dimensions, no others.", param="dimensions")
    found = await text_vectors(embedder, body.texts, quotas, context)
    return WireEmbeddings(
        data=[wire_embedding(index, vector, body.encoding_format) for index, vector in enumerate(found.vectors)],
        model=card.name,
        usage=WireUsage(prompt_tokens=found.tokens, total_tokens=found.tokens),
    )


def _models(card: EmbedderCard) -> str:
    return f"Ask for {ALIAS}, or {card.name}."
