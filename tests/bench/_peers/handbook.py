"""A gateway as tutorials write it: FastAPI, an httpx client for each request, every event parsed and written anew."""

import json
import os
from collections.abc import AsyncIterator
from typing import Any, Literal

import httpx
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

_URL = os.environ.get("UPSTREAM", "http://127.0.0.1:9") + "/v1/chat/completions"


class Message(BaseModel):
    """One turn."""

    role: Literal["system", "user", "assistant"]
    content: str


class Chat(BaseModel):
    """What is asked."""

    model: str
    messages: list[Message]
    stream: bool = False
    max_tokens: int | None = None


app = FastAPI()


@app.post("/v1/chat/completions", response_model=None)
async def chat(body: Chat) -> Any:
    """Ask the model, as it comes or whole."""
    asked = body.model_dump(exclude_none=True)
    if body.stream:
        return StreamingResponse(_events(asked), media_type="text/event-stream")
    async with httpx.AsyncClient(timeout=None) as client:
        return (await client.post(_URL, json=asked)).json()


async def _events(asked: dict[str, Any]) -> AsyncIterator[str]:
    async with httpx.AsyncClient(timeout=None) as client, client.stream("POST", _URL, json=asked) as reply:
        async for line in reply.aiter_lines():
            if line == "data: [DONE]":
                yield "data: [DONE]\n\n"
            elif line.startswith("data: "):
                yield f"data: {json.dumps(json.loads(line[6:]))}\n\n"
