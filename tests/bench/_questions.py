"""Questions about Tandem's own docs, asked of a model of fixed pace: when the first token of each came."""

import asyncio
import time

import aiohttp

QUESTIONS = [
    "How do I start Tandem on my laptop?", "Which port does the gateway listen on?", "What happens on SIGTERM?",
    "How are documents split into chunks?", "What does prune do?", "Which formats can be ingested?",
    "How is the relevance threshold chosen?", "What is the default model?", "How do I use a GGUF?",
    "Which exit codes does the command line have?", "How do I set an API key?", "What does the retriever target own?",
]  # fmt: skip


async def first_tokens_ms(url: str, clients: int, each: int, salt: str) -> list[float]:
    """Milliseconds to the first token: `each` questions of so many `clients` at a time."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client(number: int) -> list[float]:
            # A question of its own each time: no cached embedding flatters the gateway.
            asked = (f"{QUESTIONS[(number + n) % len(QUESTIONS)]} ({salt} {number} {n})" for n in range(each))
            return [await _first_token_ms(session, url, question) for question in asked]

        return [ms for row in await asyncio.gather(*map(client, range(clients))) for ms in row]


async def _first_token_ms(session: aiohttp.ClientSession, url: str, question: str) -> float:
    body = {"model": "steady", "stream": True, "messages": [{"role": "user", "content": question}]}
    began = time.perf_counter()
    first = 0.0
    async with session.post(f"{url}/v1/chat/completions", json=body) as reply:
        reply.raise_for_status()
        async for piece in reply.content.iter_any():
            if not first and b"word0" in piece:
                first = (time.perf_counter() - began) * 1000
    if not first:
        raise RuntimeError(f"The model was not asked: {question}")
    return first


def percentile(values: list[float], share: float) -> float:
    """The value that so many are below."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
