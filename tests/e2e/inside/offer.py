"""Runs in a pod: open-loop load on a gateway, each request on a connection of its own, and how every one of them ended.

Arrivals come at a rate, whether or not earlier ones are answered. Prints one JSON line for each request at its end:
`at_s` its arrival since the start, `status`, `ending` (`done`; the code of an error; `cut` when it ended in silence;
`refused` when no connection came about), `first_s` and `whole_s` from its arrival, `receipt` the answer's.
"""

import argparse
import asyncio
import json
import os
import re
import time
from typing import Any

import aiohttp

_RECEIPT = re.compile(rb'"receipt_id": ?"([^"]+)"')
_TRACEBACKS_SAY_LITTLE = (aiohttp.ClientError, TimeoutError, OSError)


def ending(body: str) -> str:
    """`done`, the code of an error event, or `cut`."""
    last = body.rstrip("\n").rpartition("\n\n")[2]
    if last == "data: [DONE]":
        # An error that was told before counts as one.
        told = [line for line in body.splitlines() if line.startswith('data: {"error"')]
        return _code(told[-1].removeprefix("data: ")) if told else "done"
    return _code(last.removeprefix("data: ")) if last.startswith("data: ") else "cut"


def _code(event: str) -> str:
    try:
        error = json.loads(event).get("error")
    except ValueError:
        return "cut"
    return str(error.get("code") or error.get("type")) if error else "cut"


async def ask(http: aiohttp.ClientSession, url: str, body: dict[str, Any], began_s: float) -> None:
    """One request, told in one line."""
    asked_s = time.perf_counter()
    status, first_s, end, text, pod = 0, None, "refused", b"", ""
    try:
        async with http.post(url, json=body) as reply:
            status, end = reply.status, "cut"
            async for piece in reply.content.iter_any():
                if first_s is None and b'"content"' in piece:
                    first_s = time.perf_counter() - asked_s
                text += piece
            end = ending(text.decode()) if status == 200 else _code(text.decode())
    except _TRACEBACKS_SAY_LITTLE as error:
        pod = repr(error)
    told = {
        "at_s": round(asked_s - began_s, 3),
        "status": status,
        "ending": end,
        "first_s": first_s and round(first_s, 4),
        "whole_s": round(time.perf_counter() - asked_s, 4),
        "why": pod,
        "receipt": found[1].decode() if (found := _RECEIPT.search(text)) else "",
    }
    print(json.dumps(told), flush=True)


async def main() -> None:
    """Offer the load, then wait for what still runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--question", default="How does a gateway scale?")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds that one request may take")
    parser.add_argument("--max-tokens", type=int, default=64)
    flags = parser.parse_args()
    body = {
        "model": "tandem",
        "stream": True,
        "max_tokens": flags.max_tokens,
        "messages": [{"role": "user", "content": flags.question}],
    }
    headers = {"authorization": f"Bearer {os.environ.get('KEY', 'none')}"}
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with (
        aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=flags.patience)
        ) as http,
        asyncio.TaskGroup() as tasks,
    ):
        began_s = time.perf_counter()
        for number in range(int(flags.rate * flags.seconds)):
            await asyncio.sleep(max(0.0, began_s + number / flags.rate - time.perf_counter()))
            tasks.create_task(ask(http, f"{flags.url}/v1/chat/completions", body, began_s))


if __name__ == "__main__":
    asyncio.run(main())
