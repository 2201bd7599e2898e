"""Runs in a pod of the chart that makes Jobs: has pods made for a batch, twice, as those who look after batches do, or takes them away."""

import asyncio
import json
import sys

from tandem.adapters.kubernetes.batch_pods import kubernetes_batch_pods


async def main(verb: str, batch: str, lines: int) -> dict[str, bool]:
    """What was true before and after."""
    async with kubernetes_batch_pods() as pods:
        before = await pods.alive(batch)
        if verb == "start":
            await asyncio.gather(*(pods.start(batch, lines) for _ in range(2)))
        elif verb == "stop":
            await pods.stop(batch)
        return {"before": before, "after": await pods.alive(batch)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
