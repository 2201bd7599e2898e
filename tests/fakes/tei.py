"""A text-embeddings-inference server that scores by shared words, and fails when told to."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass
class FakeTei:
    """`answer` replaces the scores; `delay_s` comes first. `asked` holds the bodies that arrived, `headers` what came with them."""

    answer: Response | None = None
    delay_s: float = 0.0
    max_texts: int = 32
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        """To be served."""
        return Starlette(routes=[Route("/rerank", self._rerank, methods=["POST"])])

    async def _rerank(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        await asyncio.sleep(self.delay_s)
        if self.answer is not None:
            return self.answer
        if len(body["texts"]) > self.max_texts:
            return JSONResponse({"error": "batch size too large", "error_type": "Validation"}, status_code=413)
        words = set(body["query"].lower().split())
        ranks = [
            {"index": index, "score": len(words & set(text.lower().split())) / max(1, len(words))}
            for index, text in enumerate(body["texts"])
        ]
        return JSONResponse(sorted(ranks, key=lambda rank: -rank["score"]))
