"""One Tandem between a model of ours and clients of ours, without retrieval."""

import contextlib
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from component.deployments import start, stop  # noqa: E402


@dataclass(frozen=True, slots=True)
class Tandem:
    """Where it listens, and its process."""

    url: str
    pid: int

    async def metrics(self) -> dict[str, float]:
        """Every sample of `/metrics`, by name and labels."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/metrics") as reply:
            text = await reply.text()
        return {name: float(value) for name, value in re.findall(r"^([^#\s]\S*) (\S+)$", text, re.MULTILINE)}


@contextlib.contextmanager
def tandem(model_url: str, **env: object) -> Iterator[Tandem]:
    """`env` names settings, `admission__max=48` say."""
    settings = {
        "predictor__url": model_url,
        "predictor__protocol": "openai",
        "predictor__model": "steady",
        "retrieval__enabled": "false",
        "log__level": "warning",
        **env,
    }
    with tempfile.TemporaryDirectory() as folder:
        process = start("all", Path(folder), {f"TANDEM_{name.upper()}": str(value) for name, value in settings.items()})
        try:
            yield Tandem(process.url, process.popen.pid)
        finally:
            stop(process)
