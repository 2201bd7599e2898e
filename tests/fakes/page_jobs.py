"""Jobs and batches as the page's fake backend has them: a test moves them on, breaks their streams, takes them away."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from fakes.page_wire import fault, result

BEGAN_AT = 1_790_000_000.0


@dataclass
class FakeJob:
    """As it is told of, and its events: kind and data, numbered from 1."""

    told: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


class PageJobs:
    """The routes under /v1/jobs, /v1/batches and /v1/files. `served`, `batched`: false as where nothing keeps them."""

    def __init__(self, app: FastAPI) -> None:
        self.clear()
        self._job_routes(app)
        self._batch_routes(app)

    def clear(self) -> None:
        """Nothing is kept."""
        self.served = self.batched = True
        self.jobs: dict[str, FakeJob] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.resumed: list[int] = []
        """`Last-Event-ID` of every stream that was opened."""
        self.listings = 0
        self._broken = 0

    def job(self, question: str, status: str = "queued", **more: Any) -> FakeJob:
        """One more, the newest."""
        number = len(self.jobs)
        told = {
            "id": f"job-{number:03}", "object": "job", "status": status, "cancelling": False, "priority": "normal",
            "created_at": BEGAN_AT + number, "not_before": None, "expires_at": BEGAN_AT + 604_800, "started_at": None,
            "ended_at": None, "attempts": 0, "idempotency_key": None, "receipt_id": None,
            "request": {"messages": [{"role": "user", "content": question}]}, "result": None, "error": None,
            "callback": None, **more,
        }  # fmt: skip
        made = FakeJob(told)
        self.jobs[told["id"]] = made
        return made

    def say(self, job: FakeJob, kind: str, **data: Any) -> None:
        """One more event."""
        if kind == "status":
            job.told.update(status=data["status"], attempts=data["attempt"], started_at=BEGAN_AT)
        job.events.append((kind, data))

    def succeed(self, job: FakeJob, answer: str) -> None:
        """Its end, with the whole answer."""
        question = job.told["request"]["messages"][-1]["content"]
        message = {"role": "assistant", "content": answer}
        usage = {"prompt_tokens": 412, "completion_tokens": 58, "total_tokens": 470}
        completion = {"choices": [{"index": 0, "message": message}], "usage": usage}
        completion["tandem"] = result(question, abstained=False, degraded=[])
        job.told.update(status="succeeded", ended_at=BEGAN_AT + 60, result=completion, receipt_id="rcpt-1")
        self.say(job, "done", status="succeeded", error=None)

    def fail(self, job: FakeJob, code: str, message: str) -> None:
        """Its end, without an answer."""
        error = {"code": code, "message": message}
        job.told.update(status="failed", ended_at=BEGAN_AT + 60, error=error)
        self.say(job, "done", status="failed", error=error)

    def break_streams(self) -> None:
        """Those that are open end without a word."""
        self._broken += 1

    def batch(self, status: str = "in_progress", **more: Any) -> dict[str, Any]:
        """One more, the newest, as OpenAI tells of it."""
        number = len(self.batches)
        times = (f"{name}_at" for name in ("in_progress", "finalizing", "completed", "failed", "expired", "cancelled"))
        made = {
            "id": f"batch_{number:03}", "object": "batch", "endpoint": "/v1/chat/completions", "errors": None,
            "input_file_id": "file-in", "completion_window": "24h", "status": status, "output_file_id": None,
            "error_file_id": None, "created_at": int(BEGAN_AT) + number, "expires_at": int(BEGAN_AT) + 86_400,
            **dict.fromkeys(times), "cancelling_at": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0}, "metadata": None, **more,
        }  # fmt: skip
        self.batches[made["id"]] = made
        return made

    def _job_routes(self, app: FastAPI) -> None:
        @app.get("/v1/jobs")
        async def listing(limit: int = 50, status: str | None = None, after: str | None = None) -> Any:
            self.listings += 1
            if not self.served:
                return _not_served()
            found = [job.told for job in reversed(self.jobs.values()) if status in (None, job.told["status"])]
            found = [told for told in found if after is None or told["id"] < after]
            page = [{**told, "request": None, "result": None} for told in found[:limit]]
            return {"object": "list", "data": page, "next_after": page[-1]["id"] if len(found) > limit else None}

        @app.post("/v1/jobs", status_code=202)
        async def submit(request: Request) -> Any:
            if not self.served:
                return _not_served()
            body = orjson.loads(await request.body())
            return self.job("", request=body).told

        @app.get("/v1/jobs/{job_id}")
        async def show(job_id: str) -> Any:
            return self.jobs[job_id].told if job_id in self.jobs else _unknown_job()

        @app.delete("/v1/jobs/{job_id}")
        async def cancel(job_id: str) -> Any:
            job = self.jobs[job_id]
            if job.told["status"] == "running":
                job.told["cancelling"] = True
            elif job.told["status"] == "queued":
                job.told.update(status="cancelled", ended_at=BEGAN_AT + 30)
                self.say(job, "done", status="cancelled", error=None)
            return job.told

        @app.get("/v1/jobs/{job_id}/events")
        async def events(job_id: str, request: Request) -> Response:
            if job_id not in self.jobs:
                return _unknown_job()
            last = int(request.headers.get("last-event-id", "0"))
            self.resumed.append(last)
            return StreamingResponse(self._events(self.jobs[job_id], last), media_type="text/event-stream")

    async def _events(self, job: FakeJob, last: int) -> AsyncIterator[bytes]:
        broken = self._broken
        yield b": keep alive\n\n"
        while self._broken == broken:
            for number, (kind, data) in enumerate(job.events[last:], start=last + 1):
                yield b"id: %d\nevent: %s\ndata: %s\n\n" % (number, kind.encode(), orjson.dumps(data))
                last = number
                if kind == "done":
                    return
            await asyncio.sleep(0.01)

    def _batch_routes(self, app: FastAPI) -> None:
        @app.get("/v1/batches")
        async def listing(limit: int = 20, after: str | None = None) -> Any:
            if not self.batched:
                return fault(404, "not_found", "Not Found")
            found = [each for each in reversed(self.batches.values()) if after is None or each["id"] < after]
            page = found[:limit]
            ends = (page[0]["id"], page[-1]["id"]) if page else (None, None)
            return {
                "object": "list",
                "data": page,
                "first_id": ends[0],
                "last_id": ends[1],
                "has_more": len(found) > limit,
            }

        @app.post("/v1/files")
        async def upload(request: Request) -> Any:
            body = await request.body()
            head, _, content = body.partition(b'filename="')[2].partition(b"\r\n\r\n")
            if b'name="purpose"\r\n\r\nbatch' not in body:
                return fault(400, "invalid_request", "purpose: is missing.")
            made = f"file-{len(self.files)}"
            self.names[made] = head.partition(b'"')[0].decode()
            self.files[made] = content.rpartition(b"\r\n--")[0]
            return {"id": made, "object": "file", "bytes": len(self.files[made]), "purpose": "batch"}

        @app.post("/v1/batches")
        async def create(request: Request) -> Any:
            body = orjson.loads(await request.body())
            if not self.files[body["input_file_id"]]:
                return fault(400, "invalid_request", "The file is empty.")
            known = {name: body[name] for name in ("input_file_id", "endpoint", "completion_window", "metadata")}
            return self.batch("validating", **known)

        @app.post("/v1/batches/{batch_id}/cancel")
        async def cancel(batch_id: str) -> Any:
            self.batches[batch_id]["status"] = "cancelling"
            return self.batches[batch_id]

        @app.get("/v1/files/{file_id}/content")
        async def content(file_id: str) -> Response:
            if file_id not in self.files:
                return fault(404, "file_not_found", "There is no such file.")
            return Response(self.files[file_id], media_type="application/octet-stream")


def _unknown_job() -> Response:
    return fault(404, "job_not_found", "There is no such job.")


def _not_served() -> Response:
    return fault(501, "not_served", "There is no place for jobs here.", hint="Set state.url to a PostgreSQL.")
