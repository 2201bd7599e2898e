"""Batches as OpenAI's own client has them, for tests over real processes."""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import openai
from openai.types import Batch

CHAT = "/v1/chat/completions"
OVER = {"completed", "failed", "expired", "cancelled"}


def line(custom_id: str, question: str = "When does the harbour open?", **more: Any) -> bytes:
    """One request."""
    body = {"model": "tandem", "messages": [{"role": "user", "content": question}], "temperature": 0, **more}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}).encode() + b"\n"


def client(url: str, key: str = "any") -> openai.AsyncOpenAI:
    """Which tries nothing twice."""
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60)


def keys(callers: dict[str, dict[str, Any]]) -> str:
    """The setting `auth.keys` for callers whose secrets are `<name>-secret`."""
    told = [{"name": name, "sha256": hashlib.sha256(f"{name}-secret".encode()).hexdigest(), **what}
            for name, what in callers.items()]  # fmt: skip
    return json.dumps(told)


async def begun(ai: openai.AsyncOpenAI, lines: Iterable[bytes], **more: Any) -> Batch:
    """A batch of a file of these lines."""
    file = await ai.files.create(file=("in.jsonl", b"".join(lines)), purpose="batch")
    return await ai.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **more
    )


async def until(ai: openai.AsyncOpenAI, batch: Batch, *statuses: str, within_s: float = 60.0) -> Batch:
    """The batch once it is so; over, when nothing is told."""
    async with asyncio.timeout(within_s):
        while batch.status not in (statuses or OVER):
            assert statuses == () or batch.status not in OVER, batch
            await asyncio.sleep(0.05)
            batch = await ai.batches.retrieve(batch.id)
    return batch


async def written(ai: openai.AsyncOpenAI, file_id: str | None) -> list[dict[str, Any]]:
    """The lines of an output or error file."""
    if file_id is None:
        return []
    told = await ai.files.content(file_id)
    file = await ai.files.retrieve(file_id)
    assert file.bytes == len(told.content)
    return [json.loads(each) for each in told.content.splitlines()]


async def custom_ids(ai: openai.AsyncOpenAI, batch: Batch) -> tuple[list[str], list[str]]:
    """Of its output, and of its errors."""
    output, errors = await written(ai, batch.output_file_id), await written(ai, batch.error_file_id)
    return [each["custom_id"] for each in output], [each["custom_id"] for each in errors]


def stored(folder: Path) -> dict[str, int]:
    """How many files, and parts of files, there are in the state of a process."""
    with sqlite3.connect(f"file:{folder / 'data' / 'state.db'}?mode=ro", uri=True) as state:
        return {
            table: state.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("files", "file_parts")
        }
