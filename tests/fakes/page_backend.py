"""A backend for the page's tests: Tandem's wire without Tandem, where every fault can be had on demand and in time."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.middleware import Middleware
from starlette.responses import Response

from fakes.page_jobs import PageJobs
from fakes.page_wire import ANSWER, PASSAGE, chunk, event, fault, record, result
from tandem.http.middleware.security_headers import SecurityHeaders
from tandem.http.ui.router import ui_router


@dataclass
class Script:
    """What the backend does next; tests change it while the page runs."""

    pause_s: float = 0.0
    """Between two tokens."""
    hold: asyncio.Event | None = None
    """The stream waits for it after its first few tokens."""
    key: str | None = None
    """The key it wants."""
    faults: list[tuple[int, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    """Statuses, errors and headers with which the next questions are answered."""
    upload_faults: list[tuple[int, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    """The same for the next uploads."""
    break_after: int | None = None
    """Tokens after which the stream ends with an error event."""
    cut_after: int | None = None
    """Tokens after which the stream ends without a word."""
    abstain: bool = False
    answer: str = ANSWER
    degraded: list[str] = field(default_factory=list)


@dataclass
class Seen:
    """What reached the backend."""

    questions: list[dict[str, Any]] = field(default_factory=list)
    left: int = 0
    """Streams that the page abandoned."""


class PageBackend:
    """The application and its memory."""

    def __init__(self) -> None:
        self.script = Script()
        self.seen = Seen()
        self.documents: dict[str, dict[str, Any]] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.app = FastAPI(middleware=[Middleware(SecurityHeaders)])
        self.app.include_router(ui_router())
        self._lock()
        self._answer_questions()
        self._keep_documents()
        self.jobs = PageJobs(self.app)

    def clear(self) -> None:
        """As it was made."""
        self.script, self.seen = Script(), Seen()
        self.documents.clear()
        self.jobs.clear()

    def put(self, document_id: str, text: str = PASSAGE, *, title: str | None = None) -> str:
        """Take a document in; tells `added`, `updated` or `unchanged`."""
        known = self.documents.get(document_id)
        taken = record(document_id, text, title or document_id)
        self.documents[document_id] = taken
        return "added" if known is None else "unchanged" if known["content"] == taken["content"] else "updated"

    def hold(self) -> None:
        """Streams wait after their first tokens until `release`."""
        self.script.hold = asyncio.Event()

    def release(self) -> None:
        """Let waiting streams go on."""
        assert self.loop is not None
        assert self.script.hold is not None
        self.loop.call_soon_threadsafe(self.script.hold.set)

    def _lock(self) -> None:
        @self.app.middleware("http")
        async def keyed(request: Request, go_on: Any) -> Response:
            self.loop = asyncio.get_running_loop()
            wanted = self.script.key
            if (
                wanted
                and request.url.path.startswith("/v1/")
                and request.headers.get("authorization") != f"Bearer {wanted}"
            ):
                sent = "authorization" in request.headers
                return fault(401, "invalid_api_key", "This key is not known." if sent else "A key is needed.")
            answer: Response = await go_on(request)
            return answer

    def _answer_questions(self) -> None:
        app = self.app

        @app.get("/v1/models")
        async def models() -> Any:
            known = {
                "object": "model",
                "created": 0,
                "owned_by": "tandem",
                "engine": "extractive",
                "context_tokens": 4096,
            }
            return {
                "object": "list",
                "data": [{**known, "id": "extractive"}, {**known, "id": "tandem", "root": "extractive"}],
            }

        @app.post("/v1/chat/completions")
        async def chat(request: Request) -> Response:
            body = orjson.loads(await request.body())
            self.seen.questions.append(body)
            if self.script.faults:
                return _planned(self.script.faults.pop(0))
            return StreamingResponse(self._answer(body), media_type="text/event-stream")

    def _keep_documents(self) -> None:
        app = self.app

        @app.get("/v1/collections")
        async def collections() -> Any:
            recipe = {"embedder": "minilm", "dimensions": 384, "sparse": "bm25", "chunker": "structure"}
            chunks = sum(d["chunks"] for d in self.documents.values())
            some = {"name": "docs", "documents": len(self.documents), "chunks": chunks, "recipe": recipe}
            return {"data": [some] if self.documents else []}

        @app.get("/v1/documents")
        async def listing(limit: int = 100, after: str = "") -> Any:
            ids = sorted(i for i in self.documents if i > after)
            more = len(ids) > limit
            page = [{k: v for k, v in self.documents[i].items() if k != "content"} for i in ids[:limit]]
            return {"data": page, "has_more": more, "next_after": ids[limit - 1] if more else None}

        @app.get("/v1/documents/{document_id:path}")
        async def show(document_id: str) -> Any:
            return self.documents.get(document_id) or fault(404, "document_not_found", "There is no such document.")

        @app.put("/v1/documents/{document_id:path}")
        async def put(document_id: str, request: Request) -> Any:
            body = await request.body()
            if self.script.upload_faults:
                return _planned(self.script.upload_faults.pop(0))
            if not body:
                return fault(422, "document_rejected", "The document is empty.", reason="empty")
            status = self.put(document_id, body.decode(errors="replace"))
            return {
                "id": document_id,
                "status": status,
                "chunks": self.documents[document_id]["chunks"],
                "collection": "docs",
            }

        @app.delete("/v1/documents/{document_id:path}")
        async def delete(document_id: str) -> Any:
            if self.documents.pop(document_id, None) is None:
                return fault(404, "document_not_found", "There is no such document.")
            return {"id": document_id, "deleted": True}

    async def _answer(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        script = self.script
        text = "I don't know from these documents." if script.abstain else script.answer
        pieces = [piece + " " for piece in text.split(" ")]
        whole = False
        try:
            yield event(chunk({"role": "assistant", "content": ""}))
            for index, piece in enumerate(pieces):
                if index == script.break_after:
                    error = {
                        "message": "The predictor went away.",
                        "type": "upstream_error",
                        "code": "upstream_failed",
                        "param": None,
                    }
                    yield event({"error": error})
                    whole = True
                    return
                if index == script.cut_after:
                    whole = True
                    return
                yield event(chunk({"content": piece}))
                if index == 5 and script.hold:
                    await script.hold.wait()
                await asyncio.sleep(script.pause_s)
            last = chunk({}, finish="stop")
            last["tandem"] = result(body["messages"][-1]["content"], abstained=script.abstain, degraded=script.degraded)
            yield event(last)
            yield event(
                {
                    **chunk({}),
                    "choices": [],
                    "usage": {"prompt_tokens": 412, "completion_tokens": 58, "total_tokens": 470},
                }
            )
            yield b"data: [DONE]\n\n"
            whole = True
        finally:
            self.seen.left += not whole


@contextlib.contextmanager
def running(backend: PageBackend) -> Iterator[str]:
    """Serve it on a free loopback port, in a thread; yields the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(backend.app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        # The socket already listens: whoever connects before the server accepts waits in its queue.
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


def planned(status: int, code: str, message: str, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    """An entry of `Script.faults`; `retry_after="3"` becomes the header."""
    return (
        status,
        {"code": code, "message": message},
        {name.replace("_", "-"): value for name, value in headers.items()},
    )


def _planned(next_fault: tuple[int, dict[str, Any], dict[str, str]]) -> Response:
    status, error, headers = next_fault
    return fault(status, headers=headers, **error)
