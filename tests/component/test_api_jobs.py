"""Jobs over HTTP: submitted, followed, cancelled, and told to nobody but their owners."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from fakes.live import live
from tandem.adapters.scripted.deliveries import ScriptedDeliveries
from tandem.adapters.scripted.jobs import ScriptedJobs
from tandem.admission.identity import Identity
from tandem.admission.keys import Key
from tandem.app.beside import beside
from tandem.app.clock import SystemClock
from tandem.domain.errors import UpstreamUnavailable
from tandem.domain.job import JobEvent, JobFailure, Lease, Outcome
from tandem.http.lifecycle import Lifecycle
from tandem.http.routers.jobs import jobs_router
from tandem.http.web import web_app
from tandem.observe.metrics import Metrics
from tandem.pipeline.jobs.desk import DeskRules, JobDesk
from tandem.pipeline.jobs.following import Following

BODY = {"messages": [{"role": "user", "content": "When does the harbour open?"}], "max_tokens": 9}
CLOCK = SystemClock()


def key(name: str, secret: str, tenant: str = "default", *, groups: tuple[str, ...] = (), admin: bool = False) -> Key:
    return Key(name, hashlib.sha256(secret.encode()).hexdigest(), tenant, groups=groups, admin=admin)


class Desk:
    """The API over a store in memory; the test is the worker."""

    def __init__(self, *keys: Key, most_waiting: int = 100) -> None:
        self.jobs = ScriptedJobs(CLOCK)
        deliveries = ScriptedDeliveries(self.jobs, CLOCK)
        self.lifecycle = Lifecycle()
        self.following = Following(self.jobs, lambda: self.lifecycle.leaving)
        desk = JobDesk(self.jobs, deliveries, CLOCK, DeskRules(most_waiting), lambda _: 1.0, self.following)
        self.app = web_app(
            [jobs_router(desk, collection="docs", alias="tandem", clock=CLOCK, keep_alive_s=0.2)],
            version="0",
            clock=CLOCK,
            meter=Metrics("0", "test"),
            lifecycle=self.lifecycle,
            identity=Identity(keys),
            quotas=None,
            refusal=None,
            max_body_bytes=100_000,
            max_document_bytes=100_000,
            request_timeout_s=10.0,
            local_only=False,
        )

    async def claimed(self) -> Lease:
        (lease,) = await self.jobs.claim("w", 1, 30.0)
        return lease


@asynccontextmanager
async def served(desk: Desk, key: str | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with (
        beside([desk.following.run()]),
        live(desk.app) as url,
        aiohttp.ClientSession(url, headers=headers) as http,
    ):
        yield http


async def call(
    http: aiohttp.ClientSession, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any]:
    async with http.request(method, path, json=body, headers=headers) as reply:
        return reply.status, await reply.json()


async def test_a_job_is_taken_and_its_answer_kept() -> None:
    desk = Desk()
    async with served(desk) as http:
        async with http.post("/v1/jobs", json={**BODY, "user": "jo", "priority": "high"}) as reply:
            job = await reply.json()
            assert (reply.status, reply.headers["location"]) == (202, f"/v1/jobs/{job['id']}")
        assert (job["status"], job["priority"], job["result"], job["callback"]) == ("queued", "high", None, None)
        assert job["request"]["messages"] == BODY["messages"]
        lease = await desk.claimed()
        assert lease.job.user == "jo"
        assert (await call(http, "GET", f"/v1/jobs/{job['id']}"))[1]["status"] == "running"
        await desk.jobs.finish(lease, Outcome("succeeded", b'{"object":"chat.completion"}', receipt_id="rcpt-1"))
        _, done = await call(http, "GET", f"/v1/jobs/{job['id']}")
        assert (done["status"], done["result"], done["receipt_id"]) == (
            "succeeded",
            {"object": "chat.completion"},
            "rcpt-1",
        )


async def test_the_same_key_is_the_same_job_and_another_body_a_conflict() -> None:
    async with served(Desk()) as http:
        _, one = await call(http, "POST", "/v1/jobs", {**BODY, "idempotency_key": "k"})
        status, again = await call(http, "POST", "/v1/jobs", {**BODY, "stream": True}, **{"idempotency-key": "k"})
        assert (status, again["id"]) == (202, one["id"])
        status, other = await call(http, "POST", "/v1/jobs", {**BODY, "max_tokens": 8, "idempotency_key": "k"})
        assert (status, other["error"]["code"]) == (409, "idempotency_conflict")
        assert other["error"]["type"] == "invalid_request_error"


async def test_what_is_nested_without_end_is_taken_as_it_is_online() -> None:
    nested: Any = None
    for _ in range(300):
        nested = [nested]
    async with served(Desk()) as http:
        status, job = await call(
            http, "POST", "/v1/jobs", {**BODY, "response_format": {"type": "text", "more": nested}}
        )
        assert (status, job["request"]) == (202, BODY)
        assert (await call(http, "GET", f"/v1/jobs/{job['id']}"))[0] == 200


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"expires_at": 5.0}, "expires_at"),
        ({"not_before": 4e9}, "not_before"),
        ({"callback_url": "ftp://example.com"}, "callback_url"),
        ({"callback_url": "http://user:pass@example.com"}, "callback_url"),
        ({"callback_url": "http://[::1"}, "callback_url"),
        ({"priority": "urgent"}, "priority"),
        ({"messages": []}, "messages"),
        ({"n": 3}, "n"),
        ({"tandem": {"nonsense": 1}}, "tandem.nonsense"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"not_before": -1}, "not_before"),
    ],
)
async def test_what_makes_no_sense_is_refused_at_once(more: dict[str, Any], param: str) -> None:
    desk = Desk()
    async with served(desk) as http:
        status, told = await call(http, "POST", "/v1/jobs", {**BODY, **more})
    assert (status, told["error"]["param"]) == (400, param)
    assert desk.jobs.held == {}


async def test_a_key_is_its_callers_own() -> None:
    keys = key("one", "mine", groups=("hr",)), key("other", "theirs")
    desk = Desk(*keys)
    async with live(desk.app) as url, aiohttp.ClientSession(url) as http:
        body = {**BODY, "idempotency_key": "report-7"}
        _, one = await call(http, "POST", "/v1/jobs", body, authorization="Bearer mine")
        await desk.jobs.finish(await desk.claimed(), Outcome("succeeded", b'{"secret":"of hr"}'))
        status, other = await call(http, "POST", "/v1/jobs", body, authorization="Bearer theirs")
        assert (status, other["result"], other["idempotency_key"]) == (202, None, "report-7")
        assert other["id"] != one["id"]


async def test_whoever_left_a_group_is_not_given_what_its_key_had() -> None:
    before, after = Desk(key("one", "mine", groups=("hr",))), Desk(key("one", "mine"))
    after.jobs.held = before.jobs.held
    body = {**BODY, "idempotency_key": "report-7"}
    async with served(before, "mine") as http:
        assert (await call(http, "POST", "/v1/jobs", body))[0] == 202
    async with served(after, "mine") as http:
        status, told = await call(http, "POST", "/v1/jobs", body)
    assert (status, told["error"]["code"]) == (409, "idempotency_conflict")


async def test_nothing_waits_for_ever() -> None:
    async with served(Desk()) as http:
        _, job = await call(http, "POST", "/v1/jobs", BODY)
        assert 6.9 * 86_400 < job["expires_at"] - job["created_at"] <= 7 * 86_400
        later = job["created_at"] + 1000
        status, told = await call(http, "POST", "/v1/jobs", {**BODY, "not_before": later, "expires_at": later - 1})
        assert (status, told["error"]["param"]) == (400, "expires_at")


async def test_a_tenant_with_too_many_waiting_is_told_to_wait() -> None:
    async with served(Desk(most_waiting=2)) as http:
        for _ in range(2):
            assert (await call(http, "POST", "/v1/jobs", BODY))[0] == 202
        async with http.post("/v1/jobs", json=BODY) as reply:
            assert (reply.status, int(reply.headers["retry-after"]) > 0) == (429, True)


async def test_events_are_told_as_they_come_and_from_where_one_broke_off() -> None:
    desk = Desk()
    async with served(desk) as http:
        _, job = await call(http, "POST", "/v1/jobs", BODY)
        events = f"/v1/jobs/{job['id']}/events"

        async def work() -> None:
            lease = await desk.claimed()
            await asyncio.sleep(0.7)
            await desk.jobs.append(
                lease, [JobEvent("token", b'{"text":"At "}'), JobEvent("token", b'{"text":"seven."}')]
            )
            await desk.jobs.finish(lease, Outcome("failed", failure=JobFailure("upstream_failed", "gone")))

        working = asyncio.create_task(work())
        async with http.get(events) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            told = (await reply.read()).decode()
        await working
        pieces = [piece for piece in told.split("\n\n") if piece and not piece.startswith(":")]
        kinds = [piece.split("\n")[1] for piece in pieces]
        assert kinds == ["event: status", "event: token", "event: token", "event: done"]
        assert json.loads(pieces[-1].partition("data: ")[2])["error"] == {"code": "upstream_failed", "message": "gone"}
        assert ": waiting" in told
        async with http.get(events, headers={"last-event-id": "3"}) as reply:
            assert (await reply.read()).decode() == pieces[3] + "\n\n"
        async with http.get(events, headers={"last-event-id": "4"}) as reply:
            assert await reply.read() == b""
        assert (await call(http, "GET", events, **{"last-event-id": "x"}))[0] == 400


async def test_whoever_follows_goes_on_elsewhere_when_the_process_leaves() -> None:
    desk = Desk()
    async with served(desk) as http:
        _, job = await call(http, "POST", "/v1/jobs", BODY)
        lease = await desk.claimed()
        async with http.get(f"/v1/jobs/{job['id']}/events") as reply, asyncio.timeout(5):
            assert (await reply.content.readuntil(b"\n\n")).startswith(b"id: 1\n")
            desk.lifecycle.drain()
            assert b"event:" not in await reply.read(), "it ends, and nothing is said of the job"
        assert (await desk.jobs.job(lease.job.tenant, job["id"])) == lease.job


async def test_cancelling_is_at_once_for_what_waits_and_soon_for_what_runs() -> None:
    desk = Desk()
    async with served(desk) as http:
        _, waits = await call(http, "POST", "/v1/jobs", BODY)
        status, told = await call(http, "DELETE", f"/v1/jobs/{waits['id']}")
        assert (status, told["status"], told["cancelling"]) == (200, "cancelled", False)
        _, runs = await call(http, "POST", "/v1/jobs", BODY)
        lease = await desk.claimed()
        _, told = await call(http, "DELETE", f"/v1/jobs/{runs['id']}")
        assert (told["status"], told["cancelling"]) == ("running", True)
        await desk.jobs.finish(lease, Outcome("succeeded", b"{}"))
        _, ended = await call(http, "GET", f"/v1/jobs/{runs['id']}")
        assert (await call(http, "DELETE", f"/v1/jobs/{runs['id']}"))[1]["status"] == ended["status"]


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("GET", "/events")])
async def test_a_job_is_its_owners_and_admins_business(method: str, path: str) -> None:
    keys = {
        "owner": key("owner", "mine", groups=("staff",)),
        "colleague": key("colleague", "theirs", groups=("staff",)),
        "admin": key("admin", "boss", admin=True),
        "stranger": key("stranger", "far", "other", admin=True),
        "overseer": key("overseer", "all", groups=("*",), admin=True),
    }
    desk = Desk(*keys.values())
    async with live(desk.app) as url, aiohttp.ClientSession(url) as http:
        _, job = await call(http, "POST", "/v1/jobs", BODY, authorization="Bearer mine")
        lease = await desk.claimed()
        await desk.jobs.finish(lease, Outcome("succeeded", b"{}"))
        unknown = await call(http, method, f"/v1/jobs/job-0{path}", authorization="Bearer mine")
        assert unknown[0] == 404
        for secret, seen in (("mine", True), ("theirs", False), ("boss", False), ("far", False), ("all", True)):
            async with http.request(
                method, f"/v1/jobs/{job['id']}{path}", headers={"authorization": f"Bearer {secret}"}
            ) as reply:
                assert (reply.status == 200) is seen, secret
                if not seen:
                    assert (reply.status, await reply.json()) == unknown
        for secret, many in (("mine", 1), ("theirs", 0), ("boss", 0), ("far", 0), ("all", 1)):
            _, page = await call(http, "GET", "/v1/jobs", authorization=f"Bearer {secret}")
            assert len(page["data"]) == many, secret


async def test_pages_go_on_where_the_last_one_ended() -> None:
    async with served(Desk()) as http:
        ids = [(await call(http, "POST", "/v1/jobs", BODY))[1]["id"] for _ in range(5)]
        seen: list[str] = []
        after = ""
        while True:
            _, page = await call(http, "GET", f"/v1/jobs?limit=2{after}")
            seen += [job["id"] for job in page["data"]]
            if page["next_after"] is None:
                break
            after = f"&after={page['next_after']}"
        assert seen == ids[::-1]
        assert page["data"][0]["request"] is None
        for wrong in ("x", "bnVsbA==", "WyJhIiwxXQ=="):
            assert (await call(http, "GET", f"/v1/jobs?after={wrong}"))[0] == 400


async def test_a_store_that_is_away_is_a_503() -> None:
    desk = Desk()
    async with served(desk) as http:
        desk.jobs.fault = UpstreamUnavailable("The state store is away.")
        status, told = await call(http, "POST", "/v1/jobs", BODY)
    assert (status, told["error"]["code"]) == (503, "upstream_unavailable")
