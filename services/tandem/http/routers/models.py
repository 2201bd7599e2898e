"""Which model answers."""

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
from tandem.ports.generator import Generator


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


def models_router(generator: Generator, *, created: int = 0) -> APIRouter:
    """`created` is what the models' `created` says, epoch seconds."""
    router = APIRouter(tags=["models"])
    errors: dict[int | str, dict[str, Any]] = faults(*BEHIND)

    @router.get("/v1/models", responses={200: {"model": WireModels}, **errors}, summary="List the models")
    async def models() -> Response:
        return json_reply(WireModels(data=_names(await generator.card(), created)))

    @router.get(
        "/v1/models/{model:path}",
        responses={200: {"model": WireModel}, **errors, **faults(404)},
        summary="Show a model",
    )
    async def model(model: str) -> Response:
        named = {entry.id: entry for entry in _names(await generator.card(), created)}
        if model not in named:
            raise UnknownModel(f"There is no model {model[:100]!r} here.", param="model")
        return json_reply(named[model])

    return router


def _names(card: ModelCard, created: int) -> list[WireModel]:
    known = {"created": created, "owned_by": "tandem", "engine": card.engine, "context_tokens": card.context_tokens}
    served = WireModel.model_validate({**known, "id": card.id})
    alias = WireModel.model_validate({**known, "id": ALIAS, "root": card.id})
    return [served] if card.id == ALIAS else [served, alias]
