"""Which model answers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from tandem.domain.errors import UnknownModel
from tandem.domain.generation import ModelCard
from tandem.http.reply import json_reply
from tandem.http.routers.chat import ALIAS
from tandem.http.wire.errors import BEHIND, faults
from tandem.http.wire.text import Out, absent


class WireModel(Out):
    """A name to ask for; `root` is the model that an alias stands for."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    engine: str
    context_tokens: int
    root: str | None = Field(default=None, exclude_if=absent)


class WireModels(Out):
    """Answer of `GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[WireModel]


def models_router(served: Callable[[], Awaitable[Sequence[ModelCard]]], *, created: int = 0) -> APIRouter:
    """`served` tells the models, the preferred one first; `created` is what their `created` says, epoch seconds."""
    router = APIRouter(tags=["models"])
    errors: dict[int | str, dict[str, Any]] = faults(*BEHIND)

    @router.get("/v1/models", responses={200: {"model": WireModels}, **errors}, summary="List the models")
    async def models() -> Response:
        return json_reply(WireModels(data=_names(await served(), created)))

    @router.get(
        "/v1/models/{model:path}",
        responses={200: {"model": WireModel}, **errors, **faults(404)},
        summary="Show a model",
    )
    async def model(model: str) -> Response:
        named = {entry.id: entry for entry in _names(await served(), created)}
        if model not in named:
            raise UnknownModel(f"There is no model {model[:100]!r} here.", param="model")
        return json_reply(named[model])

    return router


def _names(cards: Sequence[ModelCard], created: int) -> list[WireModel]:
    served = [_named(card, card.id, created) for card in cards]
    alias = _named(cards[0], ALIAS, created, root=cards[0].id)
    return served if any(card.id == ALIAS for card in cards) else [*served, alias]


def _named(card: ModelCard, name: str, created: int, *, root: str | None = None) -> WireModel:
    return WireModel(
        id=name,
        created=created,
        owned_by="tandem",
        engine=card.engine,
        context_tokens=card.context_tokens,
        root=root,
    )
