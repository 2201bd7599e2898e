"""Releases over whole processes: two gateways that share a store, an admin at the command line, and people who ask."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import pytest

from component.deployments import TANDEM, Process, start, stop
from fakes.postgres_server import postgres_server

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
_WITHIN_S = 60.0


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Process]]:
    """Two processes over one PostgreSQL; only the admin's key may touch releases."""
    folder = tmp_path_factory.mktemp("releases")
    prompts = folder / "prompts"
    prompts.mkdir()
    words = "Answer from the passages, and name them as [1].\n--- user ---\n{{ passages }}\n{{ question }}"
    (prompts / "answer@2.jinja").write_text(words)
    # It shows the model nothing to answer from.
    (prompts / "answer@3.jinja").write_text("Answer.\n--- user ---\n{{ question }}")
    (folder / "harbour.md").write_text(
        "The harbour office opens at seven in the morning. It closes at nine in the evening."
    )
    keys = [
        {"name": name, "sha256": sha256(name.encode()).hexdigest(), "admin": name == "chief"}
        for name in ("ann", "chief")
    ]
    with postgres_server() as server:
        env = {
            "TANDEM_STATE__URL": server.url,
            "TANDEM_PROMPTS_DIR": str(prompts),
            "TANDEM_AUTH__MODE": "keys",
            "TANDEM_AUTH__KEYS": json.dumps(keys),
            "TANDEM_PRIVACY__USER_KEY": "k" * 32,
        }
        subprocess.run([TANDEM, "db", "upgrade"], env=env, check=True, capture_output=True, timeout=60)
        running: list[Process] = []
        try:
            while len(running) < 2:
                place = folder / str(len(running))
                running.append(start("all", place, env, "--ingest", str(folder / "harbour.md")))
            yield running
        finally:
            for process in running:
                stop(process)


def call(process: Process, path: str, body: Any = None, who: str = "chief") -> tuple[int, Any]:
    headers = {"content-type": "application/json", "authorization": f"Bearer {who}"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{process.url}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def tandem(process: Process, *words: str) -> "subprocess.CompletedProcess[str]":
    return command(process, "release", *words)


def command(process: Process, *words: str) -> "subprocess.CompletedProcess[str]":
    env = {"TANDEM_URL": process.url, "TANDEM_API_KEY": "chief", "PATH": "/usr/bin", "COLUMNS": "200"}
    return subprocess.run([TANDEM, *words], env=env, capture_output=True, text=True, timeout=60, check=False)


def ask(process: Process, number: int) -> str:
    """The receipt's id; each number is a conversation of its own."""
    message = {"role": "user", "content": "When does the harbour office open?"}
    body = {"model": "tandem", "user": f"u{number}", "messages": [message]}
    status, told = call(process, "/v1/chat/completions", body, "ann")
    assert status == 200, told
    return str(told["tandem"]["receipt_id"])


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _WITHIN_S
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def released(process: Process, receipt: str) -> str:
    found = until(
        lambda: next((told for status, told in [call(process, f"/v1/receipts/{receipt}")] if status == 200), None)
    )
    return str(found["release"])


def serves(process: Process) -> str:
    """The release of a conversation that begins now."""
    return released(process, ask(process, time.monotonic_ns()))


def settled(gateways: list[Process], name: str) -> None:
    """A change has come everywhere."""
    for process in gateways:
        until(lambda process=process: serves(process) == name)  # type: ignore[misc]


def test_only_an_admin_may_touch_releases(gateways: list[Process]) -> None:
    for path, body in (("/v1/releases", None), ("/v1/releases", {"name": "r"}), ("/v1/releases/r/promote", {})):
        status, told = call(gateways[0], path, body, "ann")
        assert (status, told["error"]["code"]) == (403, "permission_denied")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "r", "--prompt", "answer@9"), "There is no prompt 'answer@9'"),
        (("create", "r", "--collection", "docs@7"), "There is no version docs@7"),
        (("create", "r", "--pool", "moon"), "There is no pool 'moon'"),
        (("create", "r", "--prompt", "answer@2", "--weight", "1.5"), "weight"),
        (("create", "r", "--prompt", "answer@2", "--weight", "nan"), "weight"),
        (("create", "Not a name", "--prompt", "answer@2"), "name"),
        (("create", "r"), "changes nothing"),
        (("promote", "nope"), "There is no release 'nope'"),
        (("status", "nope"), "There is no release 'nope'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(gateways: list[Process], words: tuple[str, ...], said: str) -> None:
    told = tandem(gateways[0], *words)
    assert told.returncode == 1 and told.stdout == ""
    assert said in told.stderr and "Traceback" not in told.stderr


def test_the_way_there_and_back_is_seen_by_every_gateway(gateways: list[Process]) -> None:
    one, other = gateways
    assert serves(one) == serves(other) == "base"
    assert tandem(one, "status").stdout == "serving: base, which is the configuration; no release is tried\n"
    assert tandem(one, "create", "better", "--prompt", "answer@2", "--weight", "0.5", "--manual").returncode == 0
    until(lambda: "better" in {serves(other) for _ in range(10)})
    # One conversation has one release, whichever gateway it comes to.
    with ThreadPoolExecutor(4) as threads:
        receipts = list(threads.map(lambda number: (ask(one, number), ask(other, number)), range(24)))
    pairs = [(released(one, first), released(other, second)) for first, second in receipts]
    assert all(first == second for first, second in pairs)
    assert {first for first, _ in pairs} == {"base", "better"}
    refused = tandem(other, "promote", "better")
    assert refused.returncode == 1 and "is held back" in refused.stderr and "--force" in refused.stderr
    glance = command(other, "status", "--interval", "0.2", "-o", "json")
    assert json.loads(glance.stdout)["release"] == {
        "serving": "base", "tried": "better", "how": "canary", "weight": 0.5, "idle": []
    }  # fmt: skip
    told = json.loads(tandem(other, "status", "-o", "json").stdout)
    assert (told["name"], told["state"], told["verdict"]["decision"]) == ("better", "trying", "wait")
    errors = next(each for each in told["verdict"]["measures"] if each["measure"] == "errors")
    assert errors["control"]["conversations"] > 0 and errors["candidate"]["conversations"] > 0
    second = tandem(other, "create", "other", "--prompt", "answer@1")
    assert second.returncode == 1 and "better is being tried" in second.stderr
    assert tandem(other, "promote", "better", "--force", "a fair").returncode == 0
    settled(gateways, "better")
    assert tandem(one, "rollback", "better").returncode == 0
    settled(gateways, "base")
    assert "rolled_back" in tandem(one, "list").stdout


def test_of_two_promotions_at_once_one_is_told(gateways: list[Process]) -> None:
    assert tandem(gateways[0], "create", "twice", "--prompt", "answer@2", "--manual").returncode == 0
    with ThreadPoolExecutor(2) as threads:
        answers = list(
            threads.map(lambda process: call(process, "/v1/releases/twice/promote", {"force": "now"}), gateways)
        )
    assert sorted(status for status, _ in answers) == [200, 409]
    assert [told["error"]["code"] for status, told in answers if status == 409] == ["release_conflict"]
    assert call(gateways[0], "/v1/releases/twice/rollback", {})[0] == 200


def test_one_that_is_worse_is_taken_back_by_itself_and_nobody_saw_it(gateways: list[Process]) -> None:
    one, other = gateways
    made = tandem(one, "create", "blind", "--prompt", "answer@3", "--weight", "0.5", "--mode", "shadow")
    assert made.returncode == 0
    numbers = iter(range(10_000, 20_000))
    seen = set()

    def over() -> bool:
        seen.add(released(other, ask(other, next(numbers))))
        ask(one, next(numbers))
        return bool(call(one, "/v1/releases/blind")[1]["state"] == "rolled_back")

    until(over)
    told = call(one, "/v1/releases/blind")[1]
    assert told["by"] == "policy" and "worse" in told["reason"]
    assert seen == {"base"}
    assert call(one, "/v1/receipts?release=blind")[1]["data"] == []
