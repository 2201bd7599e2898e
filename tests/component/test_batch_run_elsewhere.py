"""`tandem batch run --url`: uploaded, waited for, brought here, and come back to."""

import asyncio
import json
import signal
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest

from component.deployments import TANDEM
from component.test_batch_run import asked, read, write
from fakes.openai_batches import Batches, openai_batches

pytestmark = pytest.mark.timeout(120)


async def started(here: Path, served: Batches, *flags: str) -> Process:
    command = ["batch", "run", "in.jsonl", "-o", "out.jsonl", "--url", served.url, "--api-key", "a-key", *flags]
    return await asyncio.create_subprocess_exec(TANDEM, *command, cwd=here, stdin=PIPE, stdout=PIPE, stderr=PIPE)


async def run(here: Path, served: Batches, *flags: str) -> tuple[int, dict[str, Any], str]:
    process = await started(here, served, "--output", "json", *flags)
    out, err = await process.communicate()
    assert b"Traceback" not in err, err.decode()
    assert process.returncode is not None
    return process.returncode, json.loads(out or b"{}"), err.decode()


async def test_a_batch_there_becomes_files_here(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", [asked("a", "One?"), "nonsense", asked("b", "Two?"), asked("c", "Three?")])
    async with openai_batches() as served:
        served.refuse = frozenset({"b"})
        code, told, _ = await run(tmp_path, served, "--collection", "notes")
        assert code == 1
        assert (told["answered"], told["failed"], told["left"]) == (2, 2, 0)
        assert (told["prompt_tokens"], told["completion_tokens"]) == (4, 2)
        assert served.keys == ["Bearer a-key"]
        assert [line["body"]["tandem"] for line in served.lines("file-0")] == [{"collection": "notes"}] * 3
        assert {line["custom_id"] for line in read(tmp_path / "out.jsonl")} == {"a", "c"}
        failed = read(tmp_path / "out.errors.jsonl")
        assert [line["error"]["line"] for line in failed if line["error"]] == [2]
        assert [line["custom_id"] for line in failed if line["response"]] == ["b"]
        assert not (tmp_path / "out.jsonl.batch.json").exists()
        served.refuse = frozenset()
        code, told, _ = await run(tmp_path, served, "--retry-failed")
        assert (code, told["answered"], told["failed_before"]) == (1, 1, 1)
        assert [line["custom_id"] for line in served.lines("file-3")] == ["b"]
        code, told, _ = await run(tmp_path, served)
        assert (told["answered"], len(served.batches)) == (0, 2)


async def test_what_expired_there_is_a_failure_that_may_pass(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", [asked("a", "One?"), asked("b", "Two?")])
    async with openai_batches() as served:
        served.drop = frozenset({"b"})
        code, told, _ = await run(tmp_path, served)
        assert (code, told["stopped"], told["failed"]) == (1, "expired", 1)
        served.drop = frozenset()
        code, told, _ = await run(tmp_path, served, "--retry-failed")
        assert (code, told["answered"]) == (0, 1)
    assert not (tmp_path / "out.errors.jsonl").exists()


async def _under_way(served: Batches) -> None:
    async with asyncio.timeout(60):
        while not any(batch["status"] == "in_progress" for batch in served.batches.values()):
            await asyncio.sleep(0.05)


async def test_left_to_itself_it_is_come_back_to(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", [asked("a", "One?"), asked("b", "Two?")])
    async with openai_batches() as served:
        served.hold = True
        process = await started(tmp_path, served)
        await _under_way(served)
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
        assert process.returncode == 130
        assert b"run the same command again" in said
        assert not served.cancelled.is_set()
        served.hold = False
        code, told, err = await run(tmp_path, served)
        assert (code, told["answered"], len(served.batches)) == (0, 2, 1)
        assert "going on with batch_0" in err


async def test_what_is_unknown_there_is_sent_again(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", [asked("a", "One?")])
    async with openai_batches() as served:
        note = {"url": served.url, "batch_id": "batch_gone"}
        (tmp_path / "out.jsonl.batch.json").write_text(json.dumps(note))
        code, told, err = await run(tmp_path, served)
    assert (code, told["answered"]) == (0, 1)
    assert "not known" in err


async def test_a_second_ctrl_c_cancels_it_there(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", [asked("a", "One?"), asked("b", "Two?")])
    async with openai_batches() as served:
        served.hold = True
        process = await started(tmp_path, served, "--output", "json")
        await _under_way(served)
        process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
        assert served.cancelled.is_set()
    assert process.returncode == 130
    assert (json.loads(out)["answered"], json.loads(out)["failed"]) == (1, 1)
    assert [line["error"]["code"] for line in read(tmp_path / "out.errors.jsonl")] == ["batch_cancelled"]
