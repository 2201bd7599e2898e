"""What the predictor tells of itself, in TGI's words: model, limits, health, metrics."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tandem.http.predictor.completions import MAX_CLIENT_BATCH_SIZE
from tandem.http.predictor.faults import Fault
from tandem.http.predictor.health import Health
from tandem.http.predictor.limits import max_input_tokens
from tandem.http.predictor.meter import TgiMeter
from tandem.http.reply import Json
from tandem.ports.engine import Engine

_UNWELL = Fault(503, "unhealthy", "healthcheck", "unhealthy")


@dataclass(frozen=True, slots=True)
class About:
    """Handlers of the routes that are never behind the key."""

    engine: Engine
    health: Health
    meter: TgiMeter
    registry: CollectorRegistry
    version: str

    def routes(self) -> list[Route]:
        """All of them GET."""
        paths = {
            "/": self._health,
            "/health": self._health,
            "/ping": self._health,
            "/info": self._info,
            "/v1/models": self._models,
            "/metrics": self._metrics,
        }
        return [Route(path, handler, methods=["GET"]) for path, handler in paths.items()]

    async def _health(self, _: Request) -> Response:
        return Response() if await self.health.well() else _UNWELL.reply()

    async def _info(self, _: Request) -> Response:
        card, limits = await self.engine.card(), self.engine.limits
        return Json(
            {
                "model_id": card.id,
                "model_sha": card.revision,
                "model_pipeline_tag": None,
                "max_concurrent_requests": limits.max_concurrent_requests,
                "max_best_of": 1,
                "max_stop_sequences": limits.max_stop_sequences,
                "max_input_tokens": max_input_tokens(limits),
                "max_total_tokens": limits.max_total_tokens,
                "validation_workers": 1,
                "max_client_batch_size": MAX_CLIENT_BATCH_SIZE,
                "router": "tandem-predictor",
                "version": self.version,
                "sha": None,
                "docker_label": None,
            }
        )

    async def _models(self, _: Request) -> Response:
        model = (await self.engine.card()).id
        return Json({"object": "list", "data": [{"id": model, "object": "model", "created": 0, "owned_by": model}]})

    async def _metrics(self, _: Request) -> Response:
        body = generate_latest(self.registry) + self.meter.counters()
        return Response(body, media_type=CONTENT_TYPE_PLAIN_0_0_4)
