"""How TGI tells a failure: a status, a sentence, a type, and the label it is counted under."""

from dataclasses import dataclass

import orjson
from starlette.responses import Response

from tandem.domain.errors import DeadlineExceeded, InvalidRequest, Overloaded, ShuttingDown, TandemError, UpstreamFailed


class IncompleteGeneration(UpstreamFailed):
    """The engine's stream ended without its end."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`type` is what clients choose their exception by; `counted_as` is the `err` label of `tgi_request_failure`."""

    status: int
    error: str
    type: str
    counted_as: str

    def body(self) -> bytes:
        """`{"error", "error_type"}`."""
        return orjson.dumps({"error": self.error, "error_type": self.type})

    def reply(self) -> Response:
        """The whole answer, where the status is still open."""
        return Response(self.body(), self.status, media_type="application/json")


def fault_of(error: TandemError) -> Fault:
    """What TGI would have said. A deadline is no notion of TGI's: it gets a status of its own."""
    match error:
        case InvalidRequest():
            return Fault(422, f"Input validation error: {error.message}", "validation", "validation")
        case Overloaded():
            return Fault(429, "Model is overloaded", "overloaded", "overloaded")
        case DeadlineExceeded():
            return Fault(504, error.message, "timeout", "timeout")
        case ShuttingDown():
            return Fault(503, error.message, "server_shutting_down", "shutdown")
        case IncompleteGeneration():
            return Fault(500, "Incomplete generation", "incomplete_generation", "incomplete")
        case _:
            return Fault(424, f"Request failed during generation: {error.message}", "generation", "generation")
