"""A model that takes no time and no thought: an OpenAI stream of fixed pace, for measuring what stands before it.

Run it: `python tests/fakes/steady_llm.py --port 0`; it prints its URL.
"""

import argparse
import asyncio

import orjson
from aiohttp import web

MODEL = "steady"


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "steady-1", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [choice]}
    return b"data: " + orjson.dumps(body) + b"\n\n"


USAGE = (
    b"data: "
    + orjson.dumps(
        {
            "id": "steady-1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": MODEL,
            "choices": [],
            "usage": {"prompt_tokens": 1, "completion_tokens": 16, "total_tokens": 17},
        }
    )
    + b"\n\n"
)


async def steady_chat(request: web.Request, tokens: int, gap_s: float) -> web.StreamResponse:
    """`tokens` pieces, `gap_s` seconds apart, the first one after one gap."""
    await request.read()
    reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await reply.prepare(request)
    for n in range(tokens):
        await asyncio.sleep(gap_s)
        await reply.write(_chunk({"content": f"word{n} "}))
    await reply.write(_chunk({}, "stop") + USAGE + b"data: [DONE]\n\n")
    return reply


async def chat_stream(request: web.Request, text: str) -> web.StreamResponse:
    """This text, in one piece."""
    await request.read()
    reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await reply.prepare(request)
    await reply.write(_chunk({"content": text}) + _chunk({}, "stop") + USAGE + b"data: [DONE]\n\n")
    return reply


async def steady_models(_: web.Request) -> web.Response:
    """The one model there is."""
    return web.json_response(
        {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "x"}]}
    )


def application(tokens: int, gap_s: float) -> web.Application:
    """Every answer has so many pieces, at this pace."""

    async def chat(request: web.Request) -> web.StreamResponse:
        return await steady_chat(request, tokens, gap_s)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models", steady_models)
    return app


async def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--gap-ms", type=float, default=5.0)
    flags = parser.parse_args()
    runner = web.AppRunner(application(flags.tokens, flags.gap_ms / 1000))
    await runner.setup()
    site = web.TCPSite(runner, flags.host, flags.port)
    await site.start()
    print(f"http://{flags.host}:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
