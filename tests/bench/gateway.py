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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from bench._questions import first_tokens_ms, percentile  # noqa: E402
from component.deployments import start, stop  # noqa: E402


async def _measure(direct: str, gateway: str, rounds: int) -> list[dict[str, Any]]:
    figures: list[dict[str, Any]] = []
    for clients, each in ((1, 30), (16, 4)):
        taken: dict[str, list[float]] = {direct: [], gateway: []}
        for n in range(rounds + 1):
            for url in (direct, gateway) if n % 2 else (gateway, direct):
                measured = await first_tokens_ms(url, clients, each, f"round {n}")
                # The first round warms both up.
                taken[url] += measured if n else []
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            added = percentile(taken[gateway], share) - percentile(taken[direct], share)
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
