"""What registries call when something is new. They know no key of ours: a delivery is as good as its signature."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from tandem.admission.deliveries import delivered
from tandem.domain.errors import NotServed
from tandem.http.reply import json_reply
from tandem.http.wire.errors import BEHIND, faults
from tandem.http.wire.text import Out
from tandem.ports.clock import Clock
from tandem.ports.follow_jobs import FollowJobs

# Open to everybody: what lies below it looks at signatures itself.
ROOT = "/v1/hooks/"
_BODY: dict[str, Any] = {
    "requestBody": {
        "description": "Whatever the registry tells: only that it was signed counts.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
    "security": [],
}


class WireBegun(Out):
    """`job` looks at the registry; unless it is `new`, it was running already."""

    model: str
    job: str
    new: bool


def hooks_router(jobs: FollowJobs | None, secret: str | None, clock: Clock) -> APIRouter:
    """Without a place to run it, or a secret, it says what is missing."""
    router = APIRouter(tags=["hooks"])

    @router.post(
        f"{ROOT}models/{{name}}",
        status_code=202,
        responses={202: {"model": WireBegun}, **faults(404, 501, *BEHIND)},
        openapi_extra=_BODY,
        summary="Something is new in a model's registry: look now",
    )
    async def model(name: Annotated[str, Path(description="A model that is followed.")], request: Request) -> Response:
        if jobs is None or secret is None:
            raise NotServed(
                "No model is followed here.",
                hint="On Kubernetes follow.models and existingSecrets.follow of the chart do.",
            )
        delivery = delivered(request.headers, await request.body(), secret, clock.epoch_s())
        begun = await jobs.begin(name, delivery)
        return json_reply(WireBegun(model=name, job=begun.job, new=begun.new), 202)

    return router
