"""Routes whose JSON is read by orjson: a fifth of the standard library's cost, strict about UTF-8 and numbers."""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response


class _JsonRequest(Request):
    async def json(self) -> Any:
        return orjson.loads(await self.body())


class JsonRoute(APIRoute):
    """Answers 415 to a body that is not declared as JSON, rather than 400 with a puzzling reason."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler over another reader."""
        handle = super().get_route_handler()
        takes_json = self.body_field is not None

        async def read_and_handle(request: Request) -> Response:
            if not takes_json:
                return await handle(request)
            as_json = _JsonRequest(request.scope, request.receive)
            if not is_json(request.headers.get("content-type", "")) and await as_json.body():
                raise HTTPException(415, "Send JSON, with Content-Type: application/json.")
            return await handle(as_json)

        return read_and_handle


def is_json(content_type: str) -> bool:
    """True for JSON's media types, whatever their parameters."""
    essence = content_type.partition(";")[0].strip().lower()
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))
