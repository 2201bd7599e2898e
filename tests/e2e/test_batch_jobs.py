"""A batch is answered by a Job of its own: whoever looks after it may make that Job and nothing else, and a killed pod costs nothing."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from e2e.cluster import Object
from e2e.commands import CommandFailed
from e2e.figures import record
from e2e.jobs import caller
from e2e.pods import INSIDE
from e2e.postgres import postgres
from e2e.release import Release, merged
from e2e.space import Space
from e2e.steady import steady
from e2e.waiting import until

pytestmark = pytest.mark.timeout(400)
QUESTIONS, PODS, TOKENS = 200, 2, 20
LABEL = "tandem.dev/batch"
PROGRAM = (INSIDE / "batch_pods.py").read_text(encoding="utf-8")
SMALL = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}


@pytest.fixture(scope="module")
def installed(release: Release, ours: Space) -> Release:
    """One gateway, which looks after batches itself; a batch's pods answer four lines of a second each at a time."""
    values: Object = {
        "config": {"jobs": {"concurrency": 4, "lease_s": 10}},
        "batch": {"enabled": True, "linesPerPod": QUESTIONS // PODS, "maxPods": PODS, "resources": SMALL},
    }
    release.up(merged(postgres(ours), steady(ours, tokens=TOKENS, gap_ms=50.0), values), files=())
    return release


def _in_gateway(space: Space, *arguments: str) -> dict[str, bool]:
    name = space.pods("gateway")[0]["metadata"]["name"]
    told = space.kubectl("exec", name, "--container", "tandem", "--", "python", "-c", PROGRAM, *arguments)
    found: dict[str, bool] = json.loads(told)
    return found


def _jobs(space: Space, batch: str) -> list[Object]:
    return space.items("jobs", "--selector", f"{LABEL}={batch}")


def test_a_gateway_makes_and_deletes_the_job_of_a_batch(installed: Release, ours: Space) -> None:
    assert _in_gateway(ours, "start", "batch_made", "150") == {"before": False, "after": True}
    (job,) = _jobs(ours, "batch_made")
    assert job["spec"]["completions"] == PODS
    # What it is made of is taken in as well: pod security is enforced here.
    pods = until("pods of the Job", lambda: ours.pods("batch"), within_s=30)
    assert {pod["metadata"]["labels"][LABEL] for pod in pods} == {"batch_made"}
    assert _in_gateway(ours, "stop", "batch_made", "0")["after"] is False
    assert _jobs(ours, "batch_made") == []
    until("no pods of it", lambda: not ours.pods("batch"), within_s=60)


def test_its_account_may_do_nothing_else(installed: Release, ours: Space) -> None:
    def may(verb: str, what: str, namespace: str = ours.name) -> bool:
        who = f"system:serviceaccount:{ours.name}:{installed.name}"
        try:
            told = ours.cluster.kubectl("auth", "can-i", verb, what, "--as", who, "--namespace", namespace)
        except CommandFailed as refused:
            told = refused.said
        return told.strip().splitlines()[-1] == "yes"

    assert all(may(verb, "jobs.batch") for verb in ("get", "create", "delete"))
    assert not any(may(verb, "jobs.batch") for verb in ("list", "patch", "update", "deletecollection"))
    assert not any(may("get", what) for what in ("pods", "secrets", "configmaps", "deployments.apps"))
    assert not may("create", "jobs.batch", "default")


def test_who_makes_no_jobs_reaches_no_api_server(installed: Release, ours: Space) -> None:
    server = "kubernetes.default.svc.cluster.local:443"
    pods = {name: ours.pods(name)[0]["metadata"]["name"] for name in ("gateway", "retriever")}
    assert {name: ours.reaches(pod, server)[server] for name, pod in pods.items()} == {
        "gateway": True,
        "retriever": False,
    }


async def test_a_killed_pod_of_a_batch_loses_and_doubles_no_line(installed: Release, ours: Space) -> None:
    with installed.forwarded() as url:
        async with caller() as http:
            async with http.get(f"{url}/v1/batches") as reply:
                if reply.status == 404:
                    pytest.skip("this gateway serves no /v1/batches")
            batch = await _handed_in(http, url)
            try:
                victim = await _kill_one(http, url, batch, ours)
                done = await _ended(http, url, batch)
                lines = await _lines(http, url, done["output_file_id"])
            finally:
                ours.kubectl("delete", "jobs", "--selector", f"{LABEL}={batch}", "--wait=false")
    assert done["status"] == "completed", done
    assert done["request_counts"] == {"total": QUESTIONS, "completed": QUESTIONS, "failed": 0}
    assert sorted(line["custom_id"] for line in lines) == sorted(f"q-{number}" for number in range(QUESTIONS))
    for line in lines:
        assert line["error"] is None
        assert len(line["response"]["body"]["choices"][0]["message"]["content"].split()) == TOKENS
    record("batch_of_200_s", round(done["completed_at"] - done["created_at"], 1), pods=PODS, killed=victim)


async def _handed_in(http: aiohttp.ClientSession, url: str) -> str:
    body = "\n".join(
        json.dumps(
            {
                "custom_id": f"q-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": "tandem", "messages": [{"role": "user", "content": f"Question {number}?"}]},
            }
        )
        for number in range(QUESTIONS)
    )
    form = aiohttp.FormData()
    form.add_field("purpose", "batch")
    form.add_field("file", body.encode(), filename="questions.jsonl", content_type="application/jsonl")
    async with http.post(f"{url}/v1/files", data=form) as reply:
        file = await reply.json()
        assert reply.status in {200, 201}, file
    wanted = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    async with http.post(f"{url}/v1/batches", json=wanted) as reply:
        batch = await reply.json()
        assert reply.status in {200, 201}, batch
        return str(batch["id"])


async def _kill_one(http: aiohttp.ClientSession, url: str, batch: str, space: Space) -> str:
    """Kill a pod in the middle of its work, as a node does that dies; its name."""

    def running() -> list[Object]:
        pods = space.items("pods", "--selector", f"{LABEL}={batch}")
        at_work = [each for each in pods if each["status"]["phase"] == "Running"]
        return at_work if len(at_work) == PODS else []

    pods = await asyncio.to_thread(until, "pods that answer", running, within_s=90, every_s=0.2)
    async with asyncio.timeout(60):
        while (await _batch(http, url, batch))["request_counts"]["completed"] < QUESTIONS // 10:
            await asyncio.sleep(0.5)
    victim = str(pods[0]["metadata"]["name"])
    space.kubectl("delete", "pod", victim, "--force", "--grace-period=0", "--wait=false")
    return victim


async def _batch(http: aiohttp.ClientSession, url: str, batch: str) -> dict[str, Any]:
    async with http.get(f"{url}/v1/batches/{batch}") as reply:
        found: dict[str, Any] = await reply.json()
        assert reply.status == 200, found
        return found


async def _ended(http: aiohttp.ClientSession, url: str, batch: str) -> dict[str, Any]:
    async with asyncio.timeout(240):
        while (found := await _batch(http, url, batch))["status"] not in {
            "completed",
            "failed",
            "expired",
            "cancelled",
        }:
            await asyncio.sleep(1)
        return found


async def _lines(http: aiohttp.ClientSession, url: str, file: str) -> list[dict[str, Any]]:
    async with http.get(f"{url}/v1/files/{file}/content") as reply:
        assert reply.status == 200
        return [json.loads(line) for line in (await reply.text()).splitlines() if line]
