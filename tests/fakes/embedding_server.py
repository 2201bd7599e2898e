"""An embedding server that speaks TEI's protocol and OpenAI's; its vectors are hashed words, and it fails when told to."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tandem.adapters.scripted.embedder import HashingEmbedder


@dataclass
class EmbeddingServer:
    """`answers` are given first, one a call; None lets that call through. `asked` holds the bodies that arrived."""

    answers: list[Response | None] = field(default_factory=list)
    dimensions: int = 64
    # Vectors as long as this: servers need not normalise.
    length: float = 1.0
    max_texts: int = 8
    delay_s: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    running: int = 0
    most_running: int = 0

    @property
    def app(self) -> Starlette:
        """To be served."""
        return Starlette(
            routes=[
                Route("/info", self._info),
                Route("/embed", self._tei, methods=["POST"]),
                Route("/v1/embeddings", self._openai, methods=["POST"]),
            ]
        )

    async def _info(self, _: Request) -> Response:
        return JSONResponse(
            {
                "model_id": "org/hashing",
                "model_sha": "0123456789abcdef",
                "max_input_length": 256,
                "max_batch_tokens": 2048,
                "max_client_batch_size": self.max_texts,
            }
        )

    async def _tei(self, request: Request) -> Response:
        body = await self._arrived(request)
        if len(body["inputs"]) > self.max_texts:
            return JSONResponse({"error": "batch size too large", "error_type": "Validation"}, status_code=422)
        return self._planned() or JSONResponse(await self._vectors(body["inputs"]))

    async def _openai(self, request: Request) -> Response:
        body = await self._arrived(request)
        found = await self._vectors(body["input"])
        # Their order is told by the index, and by nothing else.
        rows = [{"object": "embedding", "index": index, "embedding": found[index]} for index in range(len(found))]
        return self._planned() or JSONResponse({"object": "list", "model": body["model"], "data": rows[::-1]})

    async def _arrived(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        await asyncio.sleep(self.delay_s)
        self.running -= 1
        return body

    def _planned(self) -> Response | None:
        return self.answers.pop(0) if self.answers else None

    async def _vectors(self, texts: list[str]) -> list[list[float]]:
        model = HashingEmbedder(self.dimensions)
        return [[self.length * value for value in vector] for vector in await model.embed(texts, "document")]
