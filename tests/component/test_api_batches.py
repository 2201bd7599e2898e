"""Batches over a whole process, with OpenAI's own client: what is asked is answered, and what is wrong is told."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from aiohttp import web

from component.asking import chat_server, metric, serving
from component.batching import begun, client, custom_ids, keys, line, until, written
from component.deployments import TANDEM, Process, start, stop
from fakes.steady_llm import chat_stream

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]
GUIDE = "# Guide\n\nThe harbour office opens at seven. A berth costs fourteen crowns a night.\n"
CALLERS: dict[str, dict[str, Any]] = {
    "ann": {"tenant": "acme", "groups": ["hr"]},
    "bob": {"tenant": "acme", "groups": ["hr"]},
    "boss": {"tenant": "acme", "groups": ["*"], "admin": True},
    "rival": {"tenant": "north", "groups": ["*"], "admin": True},
}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("batches")
    (folder / "guide.md").write_text(GUIDE)
    env = {
        "TANDEM_AUTH__MODE": "keys",
        "TANDEM_AUTH__KEYS": keys(CALLERS),
        "TANDEM_BATCHES__MAX_LINES": "200",
    }
    running = start("all", folder, env)
    yield running
    stop(running)


@pytest.fixture
async def ai(process: Process) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client(process.url, "boss-secret") as opened:
        async with aiohttp.ClientSession(process.url, headers={"authorization": "Bearer boss-secret"}) as http:
            kind = {"content-type": "text/markdown"}
            async with http.put("/v1/documents/guide.md", data=GUIDE.encode(), headers=kind) as reply:
                assert reply.status == 200, await reply.text()
        yield opened


async def test_a_file_of_questions_is_answered_from_the_documents(ai: openai.AsyncOpenAI) -> None:
    file = await ai.files.create(
        file=("in.jsonl", line("a") + line("b", "What does a berth cost?") + line("c")), purpose="batch"
    )
    assert (file.object, file.purpose, file.filename, file.status) == ("file", "batch", "in.jsonl", "processed")
    assert (await ai.files.content(file.id)).content == line("a") + line("b", "What does a berth cost?") + line("c")
    batch = await ai.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"run": "one"}
    )
    assert (batch.object, batch.status, batch.metadata) == ("batch", "validating", {"run": "one"})
    assert batch.expires_at == batch.created_at + 86_400
    done = await until(ai, batch)
    assert (done.status, done.error_file_id, done.errors) == ("completed", None, None)
    counts = done.request_counts
    assert counts is not None and (counts.total, counts.completed, counts.failed) == (3, 3, 0)
    instants = (done.created_at, done.in_progress_at, done.finalizing_at, done.completed_at)
    known = [each for each in instants if each]
    assert len(known) == 4
    assert known == sorted(known)
    lines = await written(ai, done.output_file_id)
    assert [each["custom_id"] for each in lines] == ["a", "b", "c"]
    for each in lines:
        assert each["error"] is None and each["response"]["status_code"] == 200
        answer = openai.types.chat.ChatCompletion.model_validate(each["response"]["body"])
        assert answer.usage is not None
    told = lines[1]["response"]["body"]
    assert "fourteen crowns" in told["choices"][0]["message"]["content"]
    assert told["tandem"]["citations"][0]["document_id"] == "guide.md"
    assert lines[1]["response"]["request_id"] == told["tandem"]["receipt_id"]
    listed = [each.id async for each in ai.files.list(purpose="batch_output")]
    assert done.output_file_id in listed and file.id not in listed
    assert batch.id in [each.id async for each in ai.batches.list(limit=1)]
    assert (await ai.files.delete(file.id)).deleted
    assert (await ai.files.delete(done.output_file_id or "")).deleted
    for gone in (file.id, done.output_file_id or ""):
        with pytest.raises(openai.NotFoundError):
            await ai.files.content(gone)
    assert (await ai.batches.retrieve(batch.id)).status == "completed"


async def test_what_is_wrong_with_a_line_is_that_lines_alone(ai: openai.AsyncOpenAI) -> None:
    batch = await begun(
        ai,
        [
            line("a"), b'{"custom_id": "broken"\n', line("a"), line("hot", temperature="hot"), line("b"),
            line("odd", tandem={"nonsense": 1}), line("lost", tandem={"collection": "nowhere"}), line("gpt", model="gpt-7"),
            line("e").replace(b"/v1/chat/completions", b"/v1/embeddings"), b'\xff\xfe{"custom_id": "latin"}\n', line("c").strip(),
        ],
    )  # fmt: skip
    done = await until(ai, batch)
    assert done.status == "completed"
    assert done.request_counts is not None
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (11, 3, 8)
    output, _ = await custom_ids(ai, done)
    assert output == ["a", "b", "c"]
    errors = await written(ai, done.error_file_id)
    faults = {each["error"]["line"]: each["error"]["code"] for each in errors if each["error"]}
    assert faults == {2: "invalid_json_line", 3: "duplicate_custom_id", 9: "invalid_url", 10: "invalid_json_line"}
    refused = {each["custom_id"]: each["response"] for each in errors if each["response"]}
    told = {name: (each["status_code"], each["body"]["error"]["code"]) for name, each in refused.items()}
    assert told == {
        "hot": (400, "invalid_request"), "odd": (400, "invalid_request"),
        "lost": (404, "collection_not_found"), "gpt": (404, "model_not_found"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], "empty_file"),
        ([b"\n\n"], "empty_file"),
        ([b"a,b\n", b"1,2\n"], "invalid_json_line"),
        ([line(f"q-{number}") for number in range(201)], "too_many_lines"),
    ],
)
async def test_a_file_of_which_nothing_can_be_run_fails(ai: openai.AsyncOpenAI, lines: list[bytes], code: str) -> None:
    done = await until(ai, await begun(ai, lines))
    assert (done.status, done.failed_at is not None, done.output_file_id, done.error_file_id) == (
        "failed", True, None, None,
    )  # fmt: skip
    assert done.errors is not None and done.errors.data is not None
    assert done.errors.data[0].code == code
    again = await ai.batches.cancel(done.id)
    assert again.status == "failed", "one that is over stays as it is"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "input_file_id"),
        ({"input_file_id": "file-none"}, 404, "id"),
        ({"input_file_id": "a\u0000b"}, 400, "input_file_id"),
        ({"endpoint": "/v1/embeddings"}, 400, "endpoint"),
        ({"endpoint": "/v1/nothing"}, 400, "endpoint"),
        ({"completion_window": "1w"}, 400, "completion_window"),
        ({"completion_window": "8d"}, 400, "completion_window"),
        ({"completion_window": "0h"}, 400, "completion_window"),
        ({"metadata": {"a": "x" * 513}}, 400, "metadata.a"),
        ({"metadata": {f"k{number}": "" for number in range(17)}}, 400, "metadata"),
        ([], 400, None),
    ],
)
async def test_a_batch_that_makes_no_sense_is_refused(
    ai: openai.AsyncOpenAI, process: Process, body: Any, status: int, param: str | None
) -> None:
    file = await ai.files.create(file=("in.jsonl", line("a")), purpose="batch")
    if isinstance(body, dict) and body:
        body = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h", **body}
    async with (
        aiohttp.ClientSession(process.url, headers={"authorization": "Bearer boss-secret"}) as http,
        http.post("/v1/batches", json=body) as reply,
    ):
        told = await reply.json()
    assert (reply.status, told["error"]["param"]) == (status, param), told


async def test_windows_may_be_as_long_as_a_week(ai: openai.AsyncOpenAI) -> None:
    file = await ai.files.create(file=("in.jsonl", line("a")), purpose="batch")
    batch = await ai.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="7d",  # type: ignore[arg-type]
    )
    assert batch.expires_at == batch.created_at + 7 * 86_400
    assert batch.completion_window == "7d"


async def test_others_cannot_tell_it_from_what_is_not_there(ai: openai.AsyncOpenAI, process: Process) -> None:
    async with client(process.url, "ann-secret") as ann:
        done = await until(ann, await begun(ann, [line("a")]))
    ours, theirs = (done.input_file_id, done.output_file_id or "", done.id), ("file-none", "file-none", "batch_none")
    paths = ("/v1/files/{0}", "/v1/files/{0}/content", "/v1/files/{1}", "/v1/files/{1}/content", "/v1/batches/{2}")
    calls = [("GET", path) for path in paths]
    calls += [("DELETE", "/v1/files/{0}"), ("DELETE", "/v1/files/{1}"), ("POST", "/v1/batches/{2}/cancel")]
    for who in ("bob", "rival"):
        async with aiohttp.ClientSession(process.url, headers={"authorization": f"Bearer {who}-secret"}) as http:
            for method, path in calls:
                told = []
                for names in (ours, theirs):
                    async with http.request(method, path.format(*names)) as reply:
                        told.append((reply.status, await reply.json()))
                assert told[0] == told[1] and told[0][0] == 404, (who, method, path)
            create = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
            told = []
            for name in (ours[0], theirs[0]):
                async with http.post("/v1/batches", json={"input_file_id": name, **create}) as reply:
                    told.append((reply.status, await reply.json()))
            assert told[0] == told[1] and told[0][0] == 404
            for path in ("/v1/files", "/v1/batches"):
                async with http.get(path) as reply:
                    listed = [each["id"] for each in (await reply.json())["data"]]
                assert not set(ours) & set(listed), who
    assert (await ai.batches.retrieve(done.id)).id == done.id, "an admin sees it"
    async with client(process.url, "ann-secret") as ann:
        assert (await ann.files.content(ours[0])).content == line("a")


async def test_what_a_user_asked_goes_with_the_user(process: Process, ai: openai.AsyncOpenAI) -> None:
    theirs, others = line("quokka-1", user="quokka"), line("b", user="jo")
    mixed, pure = await begun(ai, [theirs, others]), await begun(ai, [others])
    mixed, pure = await until(ai, mixed), await until(ai, pure)
    command = [str(TANDEM), "privacy", "delete", "--user", "quokka", "--url", process.url, "--yes", "-o", "json"]
    environment = {"TANDEM_API_KEY": "boss-secret", "PATH": "/usr/bin:/bin"}
    done = await asyncio.to_thread(
        lambda: subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert json.loads(done.stdout)["deleted"]["jobs"] == 1
    content = (await ai.files.content(mixed.output_file_id or "")).content
    assert [json.loads(each)["custom_id"] for each in content.splitlines()] == ["b"]
    with pytest.raises(openai.NotFoundError):
        await ai.files.retrieve(mixed.input_file_id)
    assert (await ai.files.content(pure.input_file_id)).content == others


class Gate:
    """A model that answers `free` questions, and has the others wait until they leave."""

    def __init__(self, free: int = 0) -> None:
        self.free = free
        self.waiting = 0

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.waiting += 1
        try:
            while not self.free:
                if request.transport is None or request.transport.is_closing():
                    raise ConnectionResetError
                await asyncio.sleep(0.01)
            self.free -= 1
        finally:
            self.waiting -= 1
        return await chat_stream(request, "At seven.")


@asynccontextmanager
async def gated(folder: Path, gate: Gate, **env: object) -> AsyncIterator[tuple[openai.AsyncOpenAI, Process]]:
    async with (
        chat_server(gate.chat) as url,
        serving(
            "all", folder, predictor__url=url, predictor__protocol="openai", predictor__model="steady",
            retrieval__enabled="false", jobs__concurrency=3, **env,
        ) as running,
        client(running.url) as opened,
    ):  # fmt: skip
        yield opened, running


async def test_cancelling_frees_the_model_soon_and_keeps_what_was_answered(tmp_path: Path) -> None:
    gate = Gate(free=2)
    async with gated(tmp_path, gate) as (ai, running):
        batch = await begun(ai, [line(f"q-{number}") for number in range(30)])
        async with asyncio.timeout(30):
            while gate.free or gate.waiting < 1 or (await done(ai, batch.id)) < 2:
                await asyncio.sleep(0.02)
        cancelled = await ai.batches.cancel(batch.id)
        assert (cancelled.status, cancelled.cancelling_at is not None) == ("cancelling", True)
        async with asyncio.timeout(5):
            while gate.waiting or await metric(running.url, "tandem_generation_demand"):
                await asyncio.sleep(0.02)
        over = await until(ai, batch, within_s=10)
        assert (over.status, over.cancelled_at is not None) == ("cancelled", True)
        output, errors = await custom_ids(ai, over)
        assert sorted(output + errors) == sorted(f"q-{number}" for number in range(30))
        assert len(output) == 2
        assert {each["error"]["code"] for each in await written(ai, over.error_file_id)} == {"batch_cancelled"}
        assert (await ai.batches.cancel(batch.id)) == over
        # The place at the model is somebody else's now.
        gate.free += 1
        answer = await ai.chat.completions.create(model="tandem", messages=[{"role": "user", "content": "When?"}])
        assert answer.choices[0].message.content == "At seven."


async def done(ai: openai.AsyncOpenAI, batch_id: str) -> int:
    counts = (await ai.batches.retrieve(batch_id)).request_counts
    return 0 if counts is None else counts.completed


async def test_a_tenant_with_too_many_open_is_told_to_wait(tmp_path: Path) -> None:
    gate = Gate()
    async with gated(tmp_path, gate, batches__max_open=2) as (ai, _):
        last, _ = [await begun(ai, [line("a")]) for _ in range(2)]
        with pytest.raises(openai.RateLimitError) as told:
            await begun(ai, [line("a")])
        assert int(told.value.response.headers["retry-after"]) > 0
        await until(ai, await ai.batches.cancel(last.id))
        assert (await begun(ai, [line("a")])).status == "validating"


async def test_people_who_wait_go_before_a_batch(tmp_path: Path) -> None:
    gate = Gate()
    async with gated(tmp_path, gate, admission__initial=1, admission__min=1, admission__max=1) as (ai, _):
        batch = await begun(ai, [line(f"q-{number}") for number in range(3)])
        async with asyncio.timeout(20):
            while not gate.waiting:
                await asyncio.sleep(0.02)
        asking = asyncio.create_task(
            ai.chat.completions.create(model="tandem", messages=[{"role": "user", "content": "When?"}])
        )
        await asyncio.sleep(0.5)
        gate.free += 1
        answer = await asyncio.wait_for(asking, 10)
        assert answer.choices[0].message.content == "At seven."
        assert (await done(ai, batch.id)) == 0, "the line gave its place"
        gate.free += 6
        over = await until(ai, batch)
        assert over.status == "completed" and (await custom_ids(ai, over))[0] == ["q-0", "q-1", "q-2"]
