"""OpenAI's files and batches as its documentation has them: what is uploaded is answered with its own question."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from fakes.live_aiohttp import live_aiohttp


@dataclass
class Batches:
    """`hold` keeps batches in progress; `refuse` makes lines of these custom_ids fail; `drop` has them expire."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    hold: bool = False
    refuse: frozenset[str] = frozenset()
    drop: frozenset[str] = frozenset()
    keys: list[str | None] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def upload(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("authorization"))
        form = await request.post()
        assert form["purpose"] == "batch"
        file = form["file"]
        assert isinstance(file, web.FileField)
        name = f"file-{len(self.files)}"
        self.files[name] = file.file.read()
        return web.json_response({"id": name, "object": "file", "bytes": len(self.files[name]), "purpose": "batch"})

    async def create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        assert (asked["endpoint"], asked["completion_window"]) == ("/v1/chat/completions", "24h")
        name = f"batch_{len(self.batches)}"
        self.batches[name] = {
            "id": name, "object": "batch", "status": "validating", "input_file_id": asked["input_file_id"],
            "output_file_id": None, "error_file_id": None, "errors": None,
        }  # fmt: skip
        return web.json_response(self.batches[name])

    async def batch(self, request: web.Request) -> web.Response:
        found = self.batches.get(request.match_info["name"])
        if found is None:
            error = {"message": "No such batch.", "type": "invalid_request_error", "code": "not_found", "param": None}
            return web.json_response({"error": error}, status=404)
        if found["status"] == "cancelling":
            self._end(found, "cancelled")
        elif found["status"] == "in_progress" and not self.hold:
            self._end(found, "expired" if self.drop else "completed")
        elif found["status"] == "validating":
            found["status"] = "in_progress"
        return web.json_response(found)

    async def cancel(self, request: web.Request) -> web.Response:
        found = self.batches[request.match_info["name"]]
        found["status"] = "cancelling"
        self.cancelled.set()
        return web.json_response(found)

    async def content(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["name"]])

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[name].splitlines()]

    def _end(self, batch: dict[str, Any], status: str) -> None:
        answered: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for line in self.lines(batch["input_file_id"]):
            custom_id = line["custom_id"]
            told: dict[str, Any] = {
                "id": f"batch_req_{custom_id}",
                "custom_id": custom_id,
                "response": None,
                "error": None,
            }
            if custom_id in self.drop or (status == "cancelled" and answered):
                failed.append(told | {"error": {"code": f"batch_{status}", "message": "Not begun in time."}})
            elif custom_id in self.refuse:
                body: dict[str, Any] = {
                    "error": {"message": "No.", "type": "overloaded_error", "code": "overloaded", "param": None}
                }
                failed.append(told | {"response": {"status_code": 429, "request_id": "r", "body": body}})
            else:
                body = {"usage": {"prompt_tokens": 2, "completion_tokens": 1}, "asked": line["body"]}
                answered.append(told | {"response": {"status_code": 200, "request_id": "r", "body": body}})
        for name, lines in (("output_file_id", answered), ("error_file_id", failed)):
            if lines:
                batch[name] = f"file-{len(self.files)}"
                # The last one without its break, as files come.
                self.files[batch[name]] = "\n".join(json.dumps(line) for line in lines).encode()
        batch["status"] = status
        done = len(answered), len(failed)
        batch["request_counts"] = {"total": sum(done), "completed": done[0], "failed": done[1]}


@asynccontextmanager
async def openai_batches() -> AsyncIterator[Batches]:
    """On a free port."""
    served = Batches()
    app = web.Application(client_max_size=10**8)
    app.router.add_post("/v1/files", served.upload)
    app.router.add_post("/v1/batches", served.create)
    app.router.add_get("/v1/batches/{name}", served.batch)
    app.router.add_post("/v1/batches/{name}/cancel", served.cancel)
    app.router.add_get("/v1/files/{name}/content", served.content)
    async with live_aiohttp(app) as served.url:
        yield served
