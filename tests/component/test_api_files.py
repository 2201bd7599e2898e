"""Files over a whole process: what is no upload is refused with its reason, and nothing of it stays."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import openai
import pytest

from component.batching import client, keys, line, stored
from component.deployments import Process, start, stop

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]
LIMIT = 3_000_000
BOUNDARY = "----a-boundary"
CALLERS: dict[str, dict[str, Any]] = {"ann": {"tenant": "acme"}, "full": {"tenant": "full"}}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    env = {
        "TANDEM_AUTH__MODE": "keys",
        "TANDEM_AUTH__KEYS": keys(CALLERS),
        "TANDEM_BATCHES__MAX_FILE_BYTES": str(LIMIT),
        "TANDEM_BATCHES__MAX_STORED_BYTES": str(2 * LIMIT),
        "TANDEM_RETRIEVAL__ENABLED": "false",
    }
    running = start("all", tmp_path_factory.mktemp("files"), env)
    yield running
    stop(running)


@pytest.fixture
def empty(process: Process) -> Iterator[None]:
    """Nothing of the test's may be there in the end."""
    before = stored(process.log.parent)
    yield
    ends = time.monotonic() + 10
    while (now := stored(process.log.parent)) != before and time.monotonic() < ends:
        time.sleep(0.05)
    assert now == before


def part(name: str, value: bytes = b"batch", filename: str | None = None) -> bytes:
    shown = f'; filename="{filename}"' if filename is not None else ""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'.encode() + value + b"\r\n"


def form(*parts: bytes, end: bool = True) -> bytes:
    return b"".join(parts) + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


FILE, PURPOSE = part("file", line("a"), "in.jsonl"), part("purpose")


async def sent(process: Process, body: Any, kind: str = f"multipart/form-data; boundary={BOUNDARY}") -> tuple[int, Any]:
    headers = {"authorization": "Bearer ann-secret", "content-type": kind}
    async with (
        aiohttp.ClientSession(process.url, headers=headers) as http,
        http.post("/v1/files", data=body) as reply,
    ):
        return reply.status, await reply.json()


@pytest.mark.parametrize("parts", [(PURPOSE, FILE), (FILE, PURPOSE), (part("more"), FILE, PURPOSE)])
async def test_fields_may_come_in_any_order(process: Process, parts: tuple[bytes, ...]) -> None:
    status, told = await sent(process, form(*parts))
    assert (status, told["bytes"], told["filename"], told["purpose"]) == (200, len(line("a")), "in.jsonl", "batch")
    async with client(process.url, "ann-secret") as ai:
        assert (await ai.files.content(told["id"])).content == line("a")
        await ai.files.delete(told["id"])


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        (form(FILE), "purpose", "missing"),
        (form(part("purpose", b"fine-tune"), FILE), "purpose", "fine-tune"),
        (form(FILE, part("purpose", b"assistants")), "purpose", "assistants"),
        (form(PURPOSE), "file", "no file"),
        (form(PURPOSE, part("file", b"{}")), "file", "no file"),
        (form(PURPOSE, FILE, FILE), "file", "more than one"),
        (form(FILE, PURPOSE, part("file", b"", "b.jsonl")), "file", "more than one"),
        (form(PURPOSE, FILE, end=False), None, "end is missing"),
        (form(PURPOSE, FILE)[:-60], None, "end is missing"),
        (form(part("purpose", b"x" * 5_000), FILE), "purpose", "longer"),
        (form(FILE, *(part(f"f-{number}") for number in range(20))), None, "parts"),
        (b"", None, "end is missing"),
        (b"no form at all", None, "cannot be read"),
        (form(PURPOSE, FILE).replace(b"\r\n\r\n", b"\n\n"), None, "cannot be read"),
    ],
)
async def test_what_is_no_upload_is_refused_with_its_reason(
    process: Process, body: bytes, param: str | None, says: str
) -> None:
    status, told = await sent(process, body)
    assert (status, told["error"]["code"], told["error"]["param"]) == (400, "invalid_request", param), told
    assert says in told["error"]["message"]


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    "kind",
    [
        "application/json", "text/plain", "multipart/form-data", "multipart/form-data; boundary=", "",
        "multipart/mixed; boundary=x", f"multipart/form-data; boundary={'x' * 300}",
    ],
)  # fmt: skip
async def test_what_is_no_form_is_refused(process: Process, kind: str) -> None:
    status, told = await sent(process, form(PURPOSE, FILE), kind)
    assert (status, told["error"]["code"]) == (400, "invalid_request"), told


@pytest.mark.usefixtures("empty")
async def test_a_file_over_the_limit_is_refused_in_the_middle(process: Process) -> None:
    reader, writer = await connected(process)
    writer.write(head(process, b"Transfer-Encoding: chunked") + chunk(PURPOSE + FILE[:-2]))
    with contextlib.suppress(ConnectionError):
        for _ in range(LIMIT // 100_000 + 2):
            writer.write(chunk(b"x" * 100_000))
            await writer.drain()
    await too_large(reader, writer)


@pytest.mark.usefixtures("empty")
async def test_a_gigabyte_that_is_announced_is_refused_at_once(process: Process) -> None:
    reader, writer = await connected(process)
    writer.write(head(process, b"Content-Length: 1073741824"))
    await writer.drain()
    await too_large(reader, writer)


@pytest.mark.usefixtures("empty")
async def test_a_client_that_leaves_in_the_middle_leaves_nothing(process: Process) -> None:
    _, writer = await connected(process)
    body = PURPOSE + FILE[:-2] + b"x" * 2_000_000
    writer.write(head(process, b"Content-Length: 2900000") + body)
    await writer.drain()
    async with asyncio.timeout(20):
        while not stored(process.log.parent)["file_parts"]:
            await asyncio.sleep(0.02)
    await left(writer)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def too_large(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async with asyncio.timeout(10):
        status = await reader.readline()
    assert status.startswith(b"HTTP/1.1 413 ")
    await left(writer)


async def left(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def head(process: Process, more: bytes) -> bytes:
    return (
        b"POST /v1/files HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer ann-secret\r\n%s\r\n"
        b"Content-Type: multipart/form-data; boundary=%s\r\n\r\n"
        % (urlsplit(process.url).netloc.encode(), more, BOUNDARY.encode())
    )


async def connected(process: Process) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(process.url.rpartition(":")[2]), family=socket.AF_INET)


async def test_a_tenant_keeps_so_much(process: Process) -> None:
    async with client(process.url, "full-secret") as ai:
        kept = [await ai.files.create(file=("in.jsonl", b"x" * LIMIT), purpose="batch") for _ in range(2)]
        with pytest.raises(openai.APIStatusError) as told:
            await ai.files.create(file=("in.jsonl", b"x"), purpose="batch")
        assert (told.value.status_code, told.value.code) == (507, "storage_full")
        assert len((await ai.files.content(kept[0].id)).content) == LIMIT
        await ai.files.delete(kept[0].id)
        await ai.files.create(file=("in.jsonl", b"x"), purpose="batch")


async def test_pages_of_files(process: Process) -> None:
    async with client(process.url, "ann-secret") as ai:
        ids = [(await ai.files.create(file=(f"{number}.jsonl", b"x"), purpose="batch")).id for number in range(5)]
        listed = [each.id async for each in ai.files.list(limit=2)]
        assert set(listed) >= set(ids) and len(listed) == len(set(listed))
        assert [each.id async for each in ai.files.list(after="file-none")] == []
        async with aiohttp.ClientSession(process.url, headers={"authorization": "Bearer ann-secret"}) as http:
            for wrong in ("limit=0", "limit=x", "purpose=assistants", "limit=10001"):
                async with http.get(f"/v1/files?{wrong}") as reply:
                    assert reply.status == 400, wrong
                    assert "error" in json.loads(await reply.read())


def test_the_state_is_where_this_looks(process: Process) -> None:
    assert Path(process.log.parent / "data" / "state.db").exists()
