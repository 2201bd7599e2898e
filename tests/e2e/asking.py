"""Questions put to a gateway from this machine, with the client that users have."""

import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import openai

from e2e.keys import CALLER

HARBOUR = (
    "# Harbour\n\nThe harbour opens at six in the morning. Boats longer than twelve metres moor at the north quay.\n"
)
QUESTION = "When does the harbour open?"


@dataclass(frozen=True, slots=True)
class Answered:
    """`tandem` is the additive object of the last chunk; `pieces` how many came."""

    text: str
    pieces: int
    tandem: dict[str, Any]


async def put_document(url: str, name: str = "harbour.md", text: str = HARBOUR) -> dict[str, Any]:
    """Ingest one document through the API; what became of it."""
    async with (
        aiohttp.ClientSession(headers={"authorization": f"Bearer {CALLER}"}) as http,
        http.put(f"{url}/v1/documents/{name}", data=text.encode(), headers={"content-type": "text/markdown"}) as reply,
    ):
        told: dict[str, Any] = await reply.json()
        assert reply.status in {200, 201}, told
        return told


async def ask(url: str, question: str = QUESTION, *, timeout_s: float = 120.0) -> Answered:
    """A streamed answer through the stock OpenAI client."""
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=CALLER, max_retries=0, timeout=timeout_s) as client:
        text, pieces = "", 0
        tandem: dict[str, Any] = {}
        stream = await client.chat.completions.create(
            model="tandem", messages=[{"role": "user", "content": question}], stream=True, max_tokens=64
        )
        async for chunk in stream:
            tandem = (chunk.model_extra or {}).get("tandem") or tandem
            for choice in chunk.choices:
                pieces += bool(choice.delta.content)
                text += choice.delta.content or ""
        return Answered(text, pieces, tandem)


async def first_answer_s(url: str) -> float:
    """Seconds until a question is answered."""
    began_s = time.monotonic()
    await ask(url)
    return time.monotonic() - began_s
