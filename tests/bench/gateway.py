"""What the gateway adds to the time to the first token of the bare predictor, paired in one run.

The predictor is a stream of fixed pace, so that the difference is the gateway's: HTTP, retrieval with a real query
embedding over Tandem's own docs, prompt, and one more hop. Rounds alternate direct and through the gateway.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from component.deployments import start, stop  # noqa: E402

QUESTIONS = [
    "How do I start Tandem on my laptop?", "Which port does the gateway listen on?", "What happens on SIGTERM?",
    "How are documents split into chunks?", "What does prune do?", "Which formats can be ingested?",
    "How is the relevance threshold chosen?", "What is the default model?", "How do I use a GGUF?",
    "Which exit codes does the command line have?", "How do I set an API key?", "What does the retriever target own?",
]  # fmt: skip


async def _first_token_ms(session: aiohttp.ClientSession, url: str, question: str) -> float:
    body = {"model": "steady", "stream": True, "messages": [{"role": "user", "content": question}]}
    began = time.perf_counter()
    first = 0.0
    async with session.post(f"{url}/v1/chat/completions", json=body) as reply:
        reply.raise_for_status()
        async for piece in reply.content.iter_any():
            if not first and b"word0" in piece:
                first = (time.perf_counter() - began) * 1000
    return first


async def _round(url: str, clients: int, each: int, salt: str) -> list[float]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client(number: int) -> list[float]:
            # A question of its own each time: no cached embedding flatters the gateway.
            asked = (f"{QUESTIONS[(number + n) % len(QUESTIONS)]} ({salt} {number} {n})" for n in range(each))
            return [await _first_token_ms(session, url, question) for question in asked]

        return [ms for row in await asyncio.gather(*map(client, range(clients))) for ms in row]


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def _measure(direct: str, gateway: str, rounds: int) -> list[dict[str, Any]]:
    figures: list[dict[str, Any]] = []
    for clients, each in ((1, 30), (16, 4)):
        taken: dict[str, list[float]] = {direct: [], gateway: []}
        for n in range(rounds + 1):
            for url in (direct, gateway) if n % 2 else (gateway, direct):
                measured = await _round(url, clients, each, f"round {n}")
                # The first round warms both up.
                taken[url] += measured if n else []
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            added = _percentile(taken[gateway], share) - _percentile(taken[direct], share)
            figures.append(
                {"name": f"added_ttft_{name}_ms_{clients}", "value": round(added, 2), "goal": None, "ok": True}
            )
        figures.append(
            {
                "name": f"direct_ttft_p50_ms_{clients}",
                "value": round(statistics.median(taken[direct]), 2),
                "goal": None,
                "ok": True,
            }
        )
    return figures


def main() -> None:
    """Print one JSON object per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: output is JSON lines")
    parser.add_argument("--rounds", type=int, default=4)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        llm = subprocess.Popen(
            [sys.executable, ROOT / "tests/fakes/steady_llm.py"],
            stdout=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert llm.stdout is not None
        direct = llm.stdout.readline().strip()
        gateway = None
        try:
            env = {"TANDEM_PREDICTOR__URL": direct, "TANDEM_PREDICTOR__PROTOCOL": "openai", "TANDEM_PREDICTOR__MODEL": "steady",
                   "TANDEM_LOG__LEVEL": "warning"}  # fmt: skip
            gateway = start(
                "all", Path(folder), env, "--ingest", str(ROOT / "docs"), "--ingest", str(ROOT / "README.md")
            )
            for figure in asyncio.run(_measure(direct, gateway.url, flags.rounds)):
                sys.stdout.write(json.dumps(figure) + "\n")
        finally:
            if gateway is not None:
                stop(gateway)
            llm.terminate()
            llm.wait(10)


if __name__ == "__main__":
    main()
