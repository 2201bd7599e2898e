"""As much of a Kubernetes API server as keeps Jobs: names are taken once, what is not let in is told as real ones tell it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from fakes.live_aiohttp import live_aiohttp

JOBS = "/apis/batch/v1/namespaces/{namespace}/jobs"


class JobsApi:
    """`jobs` by name. The next answers are `faults`, while there are any; `tokens` were shown. While a finalizer holds them (`held`),
    deleted ones stay.
    """

    def __init__(self) -> None:
        self.url = ""
        self.token = "first"
        self.jobs: dict[str, dict[str, Any]] = {}
        self.faults: list[tuple[int, str]] = []
        self.tokens: list[str] = []
        self.deleted: list[dict[str, Any]] = []
        self.held = False

    def end(self, name: str, how: str = "Complete") -> None:
        """All of its pods have ended."""
        self.jobs[name]["status"] = {"conditions": [{"type": how, "status": "True"}]}

    def app(self) -> web.Application:
        """What it answers."""
        app = web.Application(middlewares=[self._checked])
        app.router.add_post(JOBS, self._create)
        app.router.add_get(f"{JOBS}/{{name}}", self._get)
        app.router.add_delete(f"{JOBS}/{{name}}", self._delete)
        return app

    @web.middleware
    async def _checked(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.tokens.append(request.headers.get("authorization", ""))
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _status(401, "Unauthorized")
        if self.faults:
            return _status(*self.faults.pop(0))
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _create(self, request: web.Request) -> web.Response:
        job: dict[str, Any] = await request.json()
        name = job["metadata"]["name"]
        assert job["metadata"]["namespace"] == request.match_info["namespace"]
        if name in self.jobs:
            return _status(409, f'jobs.batch "{name}" already exists')
        job["metadata"]["uid"] = str(uuid.uuid4())
        self.jobs[name] = job
        return web.json_response(job, status=201)

    async def _get(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response(self.jobs[name]) if name in self.jobs else _missing(name)

    async def _delete(self, request: web.Request) -> web.Response:
        name, options = request.match_info["name"], await request.json()
        if name not in self.jobs:
            return _missing(name)
        if options["preconditions"]["uid"] != self.jobs[name]["metadata"]["uid"]:
            return _status(409, "the UID in the precondition does not match")
        self.deleted.append(options)
        if self.held:
            self.jobs[name]["metadata"]["deletionTimestamp"] = "2026-11-21T22:00:00Z"
            return web.json_response(self.jobs[name])
        return web.json_response(self.jobs.pop(name))


def _missing(name: str) -> web.Response:
    return _status(404, f'jobs.batch "{name}" not found')


def _status(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "status": "Failure", "code": code, "message": message}, status=code)


@asynccontextmanager
async def jobs_api() -> AsyncIterator[JobsApi]:
    """One on a port of its own."""
    api = JobsApi()
    async with live_aiohttp(api.app()) as api.url:
        yield api
