"""What a server shows of itself: how many requests it has, and how many it takes."""

import orjson

from tandem.domain.errors import UpstreamUnavailable
from tandem.ports.wire import Wire

# TGI; vLLM; llama.cpp's server. Each pair is what runs and what waits.
_GAUGES = (
    ("tgi_batch_current_size", "tgi_queue_size"),
    ("vllm:num_requests_running", "vllm:num_requests_waiting"),
    ("llamacpp:requests_processing", "llamacpp:requests_deferred"),
)
_TIMEOUT_S = 5.0


class Shown:
    """Asks one server's `/metrics` and `/info`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def load(self) -> int | None:
        """Requests running and waiting; None when no metric tells."""
        try:
            answer = await self._wire.get("/metrics", timeout_s=_TIMEOUT_S)
        except UpstreamUnavailable:
            return None
        return load_in(answer.body.decode("utf-8", "replace")) if answer.status == 200 else None

    async def bound(self) -> int | None:
        """`max_concurrent_requests` of TGI's `/info`; None where there is none."""
        try:
            answer = await self._wire.get("/info", timeout_s=_TIMEOUT_S)
            told = orjson.loads(answer.body) if answer.status == 200 else {}
        except (UpstreamUnavailable, orjson.JSONDecodeError):
            return None
        most = told.get("max_concurrent_requests") if isinstance(told, dict) else None
        return most if isinstance(most, int) and most > 0 else None


def load_in(metrics: str) -> int | None:
    """Of Prometheus text; several samples of a name (a model or a replica each) add up. A gauge not yet set counts as 0."""
    samples = [line.rpartition(" ") for line in metrics.splitlines() if line and not line.startswith("#")]
    for names in _GAUGES:
        values = [value for name, _, value in samples if name.partition("{")[0] in names]
        if values:
            return round(sum(map(float, values)))
    return None
