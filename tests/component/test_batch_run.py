"""`tandem batch run` as a user types it: answers as online, going on where it was killed, and inputs of every bad kind."""

import asyncio
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from component.asking import model, serving
from component.deployments import TANDEM

pytestmark = pytest.mark.timeout(300)

TEXTS = {
    "hours": "The harbour office of Larkhaven opens at seven in the morning and closes at nine in the evening.",
    "fees": "A berth for a boat of up to eight metres costs fourteen crowns a night. Longer boats pay two crowns a metre.",
    "bread": "A sourdough starter wants flour and water once a day. It is ripe when it doubles within six hours.",
}
QUESTIONS = (
    "When does the harbour office open?",
    "What does a small berth cost?",
    "What does a starter want?",
    "Who won?",
)


def tandem(*arguments: object, cwd: Path, stdin: bytes = b"", **env: str) -> "subprocess.CompletedProcess[bytes]":
    done = subprocess.run(
        [TANDEM, *map(str, arguments)], cwd=cwd, env={**os.environ, **env}, input=stdin, capture_output=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def asked(custom_id: str, question: str, **body: Any) -> dict[str, Any]:
    body = {"model": "tandem", "temperature": 0, "messages": [{"role": "user", "content": question}], **body}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


def write(file: Path, lines: list[dict[str, Any] | str]) -> None:
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose documents are in `data`."""
    folder = tmp_path_factory.mktemp("batches")
    (folder / "documents").mkdir()
    for name, text in TEXTS.items():
        (folder / "documents" / f"{name}.md").write_text(text)
    assert tandem("ingest", "documents", "--data-dir", "data", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def here(store: Path) -> Path:
    """That folder, without files of a batch."""
    for file in store.iterdir():
        if file.is_file():
            file.unlink()
    return store


def run(here: Path, *flags: object, source: str = "in.jsonl", **more: Any) -> "subprocess.CompletedProcess[bytes]":
    return tandem("batch", "run", source, "-o", "out.jsonl", "--data-dir", "data", *flags, cwd=here, **more)


def summary(done: "subprocess.CompletedProcess[bytes]") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


CAPTURED = {"TANDEM_DEFAULT_TENANT__CAPTURE_CONTENT": "true"}


def receipt(here: Path, body: dict[str, Any]) -> dict[str, Any]:
    """What does not differ from time to time, its passages, prompt and answer among it."""
    name = body["tandem"]["receipt_id"]
    shown = tandem("receipts", "show", name, "--data-dir", "data", "--output", "json", cwd=here)
    told = json.loads(shown.stdout)
    assert told["id"] == name
    return {
        part: told[part] for part in ("mode", "question", "retrieval", "prompt", "sampling", "answer", "usage", "model")
    }


async def test_a_line_is_answered_as_the_same_request_online(here: Path) -> None:
    lines = [asked(f"q{n}", text) for n, text in enumerate(QUESTIONS)]
    lines[1]["body"]["tandem"] = {"top_k": 1}
    write(here / "in.jsonl", [*lines])
    done = await asyncio.to_thread(run, here, **CAPTURED)
    assert done.returncode == 0, done.stderr.decode()
    mine = {line["custom_id"]: line["response"]["body"] for line in read(here / "out.jsonl")}
    theirs = {}
    # The same store, served.
    async with serving("all", here, default_tenant__capture_content="true") as process, aiohttp.ClientSession() as http:
        for line in lines:
            async with http.post(f"{process.url}/v1/chat/completions", json=line["body"]) as reply:
                online = await reply.json()
            theirs[line["custom_id"]] = online
            assert mine[line["custom_id"]]["choices"] == online["choices"]
        served = await asyncio.to_thread(run, here)
        assert b"going through it" in served.stderr
    for name in ("q0", "q1"):
        here_told, there_told = receipt(here, mine[name]), receipt(here, theirs[name])
        assert (here_told.pop("mode"), there_told.pop("mode")) == ("batch", "online")
        assert here_told == there_told
        assert here_told["prompt"]["messages"]
        assert here_told["retrieval"]["passages"]


def test_bad_lines_fail_alone_and_say_why(here: Path) -> None:
    write(
        here / "in.jsonl",
        [
            asked("good", QUESTIONS[0]),
            "nonsense",
            "",
            asked("good", QUESTIONS[1]),
            asked("", QUESTIONS[1]),
            asked("get", QUESTIONS[0]) | {"method": "GET"},
            asked("url", QUESTIONS[0]) | {"url": "/v1/embeddings"},
            asked("body", QUESTIONS[0]) | {"body": []},
            asked("empty", QUESTIONS[0], messages=[]),
            asked("field", QUESTIONS[0], tandem={"nonsense": 1}),
            asked("prompt", QUESTIONS[0], tandem={"prompt": "none@9"}),
            asked("where", QUESTIONS[0], tandem={"collection": "nowhere"}),
        ],
    )
    done = run(here, "--output", "json")
    assert done.returncode == 1
    assert (summary(done)["answered"], summary(done)["failed"]) == (1, 10)
    assert [line["custom_id"] for line in read(here / "out.jsonl")] == ["good"]
    failed = read(here / "out.errors.jsonl")
    unread = {line["error"]["line"]: line["error"]["code"] for line in failed if line["response"] is None}
    assert unread == {
        2: "invalid_json_line", 4: "duplicate_custom_id", 5: "missing_custom_id", 6: "invalid_method", 7: "invalid_url",
        8: "invalid_body",
    }  # fmt: skip
    refused = {line["custom_id"]: line["response"] for line in failed if line["error"] is None}
    assert {name: told["status_code"] for name, told in refused.items()} == {
        "empty": 400, "field": 400, "prompt": 404, "where": 404
    }  # fmt: skip
    assert refused["field"]["body"]["error"]["param"] == "tandem.nonsense"
    again = run(here, "--output", "json", "--retry-failed")
    assert again.returncode == 1
    assert {name: summary(again)[name] for name in ("answered", "failed", "answered_before", "failed_before")} == {
        "answered": 0, "failed": 0, "answered_before": 1, "failed_before": 10,
    }  # fmt: skip
    assert read(here / "out.errors.jsonl") == failed
    # A line that was mended is answered, and its fault forgotten.
    text = (here / "in.jsonl").read_text().splitlines()
    text[1] = json.dumps(asked("mended", QUESTIONS[1]))
    write(here / "in.jsonl", [*text])
    assert summary(run(here, "--output", "json"))["answered"] == 1
    assert 2 not in {line["error"]["line"] for line in read(here / "out.errors.jsonl") if line["error"]}


def test_defaults_are_for_lines_that_name_none(here: Path) -> None:
    own = asked("own", QUESTIONS[0], tandem={"collection": "elsewhere"})
    write(here / "in.jsonl", [asked("none", QUESTIONS[0]), own])
    assert run(here, "--collection", "nowhere").returncode == 1
    told = {one["custom_id"]: one["response"]["body"]["error"]["message"] for one in read(here / "out.errors.jsonl")}
    assert "nowhere" in told["none"]
    assert "elsewhere" in told["own"]


def test_what_a_run_may_take_is_said_before(here: Path) -> None:
    (here / "tandem.yaml").write_text(
        "pools: [{name: dear, endpoints: [{url: 'http://127.0.0.1:9'}], input_cost_per_million: 2, output_cost_per_million: 10}]"
    )
    write(here / "in.jsonl", [asked("a", QUESTIONS[0], max_tokens=100), asked("b", QUESTIONS[1]), "nonsense"])
    done = run(here, "--dry-run", "--output", "json", "--config", "tandem.yaml")
    assert done.returncode == 0, done.stderr
    found = summary(done)
    assert (found["lines"], found["refused"]) == (3, {"invalid_json_line": 1})
    assert found["completion_tokens"] == {"most": 356}
    assert found["prompt_tokens"]["most"] > 2 * 1_500 > found["prompt_tokens"]["least"] > 0
    most = found["prompt_tokens"]["most"] * 2e-6 + 356 * 10e-6
    assert found["cost"]["most"] == pytest.approx(most, abs=1e-5)
    assert not (here / "out.jsonl").exists()


async def test_it_stops_when_it_has_cost_enough(here: Path) -> None:
    write(here / "in.jsonl", [asked(f"q{n}", f"{QUESTIONS[0]} {n}") for n in range(12)])
    async with model() as served:
        (here / "tandem.yaml").write_text(
            "pools: [{name: dear, output_cost_per_million: 1000000, model: {id: steady},"
            f" endpoints: [{{url: '{served.url}', protocol: openai, model: steady}}]}}]"
        )
        flags = ("--config", "tandem.yaml", "--max-cost", "5", "--concurrency", "1", "--output", "json")
        done = await asyncio.to_thread(run, here, *flags)
        found = summary(done)
        assert done.returncode == 1, done.stderr
        assert (found["stopped"], found["failed"]) == ("max_cost", 0)
        assert found["cost"] >= 5
        assert 0 < found["answered"] < 12
        assert b"run the same command again" in done.stderr
        rest = await asyncio.to_thread(run, here, "--config", "tandem.yaml", "--output", "json")
    assert rest.returncode == 0
    assert summary(rest)["answered"] == 12 - found["answered"]
    assert len({line["custom_id"] for line in read(here / "out.jsonl")}) == 12


async def test_failures_that_may_pass_are_tried_again_when_asked_to(here: Path) -> None:
    write(here / "in.jsonl", [asked("a", QUESTIONS[0]), asked("bad", QUESTIONS[0], messages=[])])
    pool = "pools: [{name: away, model: {id: steady}, endpoints: [{url: 'URL', protocol: openai, model: steady}]}]"
    (here / "tandem.yaml").write_text(pool.replace("URL", "http://127.0.0.1:9"))
    done = await asyncio.to_thread(run, here, "--config", "tandem.yaml", "--timeout-s", "2")
    assert done.returncode == 1
    failed = {line["custom_id"]: line["response"]["status_code"] for line in read(here / "out.errors.jsonl")}
    assert failed["a"] in (503, 504)
    async with model() as served:
        (here / "tandem.yaml").write_text(pool.replace("URL", served.url))
        kept = await asyncio.to_thread(run, here, "--config", "tandem.yaml", "--output", "json")
        assert summary(kept)["failed_before"] == 2
        again = await asyncio.to_thread(run, here, "--config", "tandem.yaml", "--output", "json", "--retry-failed")
    assert (summary(again)["answered"], summary(again)["failed_before"]) == (1, 1)
    assert [line["custom_id"] for line in read(here / "out.errors.jsonl")] == ["bad"]


def started(here: Path, *flags: str) -> "subprocess.Popen[bytes]":
    command = [str(TANDEM), "batch", "run", "in.jsonl", "-o", "out.jsonl", "--data-dir", "data", *flags]
    return subprocess.Popen(
        command, cwd=here, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def until(what: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + 60
    while not what():
        assert time.monotonic() < ends_s
        time.sleep(0.01)


def size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def grown_or_ended(out: Path, size_before: int, process: "subprocess.Popen[bytes]") -> None:
    until(lambda: size(out) > size_before + 3_000 or process.poll() is not None)


def test_killed_at_any_moment_it_goes_on_and_answers_each_line_once(here: Path) -> None:
    wanted = [asked(f"q{n}", f"{QUESTIONS[n % 4]} {n}") for n in range(150)]
    write(here / "in.jsonl", [*wanted, "nonsense"])
    out, kept = here / "out.jsonl", set[str]()
    for _ in range(3):
        process = started(here, "--concurrency", "4")
        grown_or_ended(out, size(out), process)
        time.sleep(random.uniform(0, 0.2))
        process.kill()
        process.communicate()
        # What was written by a process that dies is there; what was cut short is no line.
        lines = out.read_bytes().split(b"\n")
        told = {json.loads(line)["custom_id"] for line in lines[:-1]}
        assert kept <= told
        kept = told
    out.write_bytes(out.read_bytes() + b'{"id":"batch_req_1","custom_id":"q149","resp')
    done = run(here, "--output", "json")
    assert done.returncode == 1
    assert summary(done)["answered_before"] == len(kept) > 0
    assert sorted(line["custom_id"] for line in read(out)) == sorted(line["custom_id"] for line in wanted)
    assert [line["error"]["line"] for line in read(here / "out.errors.jsonl")] == [151]


def test_ctrl_c_lets_lines_end_and_says_how_to_go_on(here: Path) -> None:
    write(here / "in.jsonl", [asked(f"q{n}", f"{QUESTIONS[n % 4]} {n}") for n in range(2_000)])
    process = started(here)
    until(lambda: size(here / "out.jsonl") > 0)
    second = run(here)
    assert second.returncode == 1
    assert b"Another tandem" in second.stderr
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"run the same command again" in told
    assert b"Traceback" not in told
    lines = read(here / "out.jsonl")
    assert len({line["custom_id"] for line in lines}) == len(lines) > 0


def test_files_of_others_are_left_alone(here: Path) -> None:
    write(here / "in.jsonl", [asked("a", QUESTIONS[0]), asked("b", QUESTIONS[1])])
    (here / "out.jsonl").write_text("my diary")
    done = run(here)
    assert done.returncode == 1
    assert b"no result of a batch" in done.stderr
    assert (here / "out.jsonl").read_text() == "my diary"
    assert run(here, "--overwrite", "--limit", "1").returncode == 0
    assert [line["custom_id"] for line in read(here / "out.jsonl")] == ["a"]
    assert not (here / "out.errors.jsonl").exists()
    write(here / "in.jsonl", [asked("c", QUESTIONS[0])])
    other = run(here)
    assert other.returncode == 1
    assert b"another batch" in other.stderr
    assert b"--overwrite" in other.stderr


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (("in.jsonl", "-o", "in.jsonl"), 2, b"a file of their own"),
        (("in.jsonl", "-o", "x.jsonl", "-e", "in.jsonl"), 2, b"a file of their own"),
        (("in.jsonl", "-o", "nowhere/x.jsonl"), 2, b"none that exists"),
        (("in.jsonl", "-o", "documents"), 2, b"a folder"),
        (("in.jsonl", "-o", "-", "--output", "json"), 2, b"standard output"),
        (("in.jsonl", "-o", "x.jsonl", "--max-cost", "1"), 2, b"has a price"),
        (("none.jsonl", "-o", "x.jsonl"), 1, b"cannot be read"),
        (("documents", "-o", "x.jsonl"), 1, b"cannot be read"),
        (("empty.jsonl", "-o", "x.jsonl"), 1, b"no lines"),
        (("in.jsonl", "-o", "x.jsonl", "--url", "http://127.0.0.1:9"), 1, b"No Tandem answers"),
        (("in.jsonl", "-o", "x.jsonl", "--url", "http://127.0.0.1:9", "--max-cost", "1"), 2, b"decides that"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_said_at_once(here: Path, flags: tuple[str, ...], code: int, said: bytes) -> None:
    write(here / "in.jsonl", [asked("a", QUESTIONS[0])])
    (here / "empty.jsonl").write_text("\n\n")
    done = tandem("batch", "run", *flags, "--data-dir", "data", cwd=here, COLUMNS="200")
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert len(read(here / "in.jsonl")) == 1


def test_standard_input_and_output(here: Path) -> None:
    lines = json.dumps(asked("a", QUESTIONS[0])) + "\n" + "nonsense"
    done = tandem("batch", "run", "-", "-o", "-", "--data-dir", "data", cwd=here, stdin=lines.encode())
    assert done.returncode == 1
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["custom_id"] for line in told} == {"a", None}
