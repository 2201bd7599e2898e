"""A backend for the page's tests: Tandem's wire without Tandem, where every fault can be had on demand and in time."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.middleware import Middleware
from starlette.responses import Response

from tandem.http.middleware.security_headers import SecurityHeaders
from tandem.http.ui.router import ui_router

# Characters beyond the basic plane, so that an offset that counts UTF-16 units marks the wrong words.
PASSAGE = "## Add documents 🚲🚲\n\nPut a file with one request. **The document is searchable as soon as the request returns.** Nothing else is needed.\n"
QUOTE = "The document is searchable as soon as the request returns."
ANSWER = (
    "The document is searchable as soon as the request returns [1]. "
    "A file that did not change is recognised by its hash and costs nothing [2].\n\n"
    "- `tandem ingest PATH` takes a folder [2]\n- **PUT** takes one document [1]\n\n"
    "```\ncurl -T guide.md localhost:8000/v1/documents/guide.md\n```\n"
)
SCRIPT = "<img src=x onerror=\"document.title='owned'\"> <script>document.title='owned'</script>"


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
        self._routes()

    def put(self, document_id: str, text: str = PASSAGE, *, title: str | None = None) -> str:
        """Take a document in; tells `added`, `updated` or `unchanged`."""
        known = self.documents.get(document_id)
        record = _record(document_id, text, title or document_id)
        self.documents[document_id] = record
        return "added" if known is None else "unchanged" if known["content"] == record["content"] else "updated"

    def hold(self) -> None:
        """Streams wait after their first tokens until `release`."""
        self.script.hold = asyncio.Event()

    def release(self) -> None:
        """Let waiting streams go on."""
        assert self.loop is not None and self.script.hold is not None
        self.loop.call_soon_threadsafe(self.script.hold.set)

    def _routes(self) -> None:
        app = self.app

        @app.middleware("http")
        async def keyed(request: Request, go_on: Any) -> Response:
            self.loop = asyncio.get_running_loop()
            wanted = self.script.key
            if wanted and request.url.path.startswith("/v1/") and request.headers.get("authorization") != f"Bearer {wanted}":
                sent = "authorization" in request.headers
                return _fault(401, "invalid_api_key", "This key is not known." if sent else "A key is needed.")
            answer: Response = await go_on(request)
            return answer

        @app.get("/v1/models")
        async def models() -> Any:
            known = {"object": "model", "created": 0, "owned_by": "tandem", "engine": "extractive", "context_tokens": 4096}
            return {"object": "list", "data": [{**known, "id": "extractive"}, {**known, "id": "tandem", "root": "extractive"}]}

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
            return self.documents.get(document_id) or _fault(404, "document_not_found", "There is no such document.")

        @app.put("/v1/documents/{document_id:path}")
        async def put(document_id: str, request: Request) -> Any:
            body = await request.body()
            if self.script.upload_faults:
                return _planned(self.script.upload_faults.pop(0))
            if not body:
                return _fault(422, "document_rejected", "The document is empty.", reason="empty")
            status = self.put(document_id, body.decode(errors="replace"))
            return {"id": document_id, "status": status, "chunks": self.documents[document_id]["chunks"], "collection": "docs"}

        @app.delete("/v1/documents/{document_id:path}")
        async def delete(document_id: str) -> Any:
            if self.documents.pop(document_id, None) is None:
                return _fault(404, "document_not_found", "There is no such document.")
            return {"id": document_id, "deleted": True}

        @app.post("/v1/chat/completions")
        async def chat(request: Request) -> Response:
            body = orjson.loads(await request.body())
            self.seen.questions.append(body)
            if self.script.faults:
                return _planned(self.script.faults.pop(0))
            return StreamingResponse(self._answer(body), media_type="text/event-stream")

    async def _answer(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        script = self.script
        text = "I don't know from these documents." if script.abstain else script.answer
        pieces = [piece + " " for piece in text.split(" ")]
        whole = False
        try:
            yield _event(_chunk({"role": "assistant", "content": ""}))
            for index, piece in enumerate(pieces):
                if index == script.break_after:
                    error = {"message": "The predictor went away.", "type": "upstream_error", "code": "upstream_failed", "param": None}
                    yield _event({"error": error})
                    whole = True
                    return
                if index == script.cut_after:
                    whole = True
                    return
                yield _event(_chunk({"content": piece}))
                if index == 5 and script.hold:
                    await script.hold.wait()
                await asyncio.sleep(script.pause_s)
            last = _chunk({}, finish="stop")
            last["tandem"] = _result(body["messages"][-1]["content"], abstained=script.abstain, degraded=script.degraded)
            yield _event(last)
            yield _event({**_chunk({}), "choices": [], "usage": {"prompt_tokens": 412, "completion_tokens": 58, "total_tokens": 470}})
            yield b"data: [DONE]\n\n"
            whole = True
        finally:
            self.seen.left += not whole


@contextlib.contextmanager
def running(backend: PageBackend) -> Iterator[str]:
    """Serve it on a free loopback port, in a thread; yields the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(backend.app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


def planned(status: int, code: str, message: str, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    """An entry of `Script.faults`; `retry_after="3"` becomes the header."""
    return status, {"code": code, "message": message}, {name.replace("_", "-"): value for name, value in headers.items()}


def _planned(fault: tuple[int, dict[str, Any], dict[str, str]]) -> Response:
    status, error, headers = fault
    return _fault(status, headers=headers, **error)


def _fault(status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: str) -> Response:
    return JSONResponse({"error": {"message": message, "type": "error", "code": code, "param": None, **more}}, status, headers)


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "extractive", "choices": [choice]}


def _record(document_id: str, text: str, title: str) -> dict[str, Any]:
    # Chunks overlap, as real ones do.
    size, overlap = 160, 30
    starts = range(0, max(1, len(text) - overlap), size - overlap)
    content = [
        {"id": f"{document_id}#{i}", "ordinal": i, "text": text[at : at + size], "title_path": [title, "Add documents"],
         "start": at, "end": min(len(text), at + size), "tokens": 40, "page": None}
        for i, at in enumerate(starts)
    ]  # fmt: skip
    return {
        "id": document_id, "title": title, "source": document_id, "media_type": "text/markdown", "fingerprint": "f", "chunks": len(content),
        "characters": len(text), "ingested_at": 1_790_000_000.0, "language": "en", "modified_at": None, "tags": [], "content": content,
    }  # fmt: skip


def _passage(document_id: str, ordinal: int, title: str, path: list[str], text: str, relevance: float) -> dict[str, Any]:
    scores = {"dense": 0.2 + relevance / 2, "sparse": 14.2 * relevance, "fused": 0.0328 * relevance, "rerank": None, "relevance": relevance}
    return {
        "id": f"{document_id}#{ordinal}", "document_id": document_id, "ordinal": ordinal, "title": title, "source": document_id,
        "title_path": [title, *path], "text": text, "start": 0, "end": len(text), "tokens": 40, "page": None, "scores": scores,
    }  # fmt: skip


HASH = "Every document is fingerprinted. A file that did not change is recognised by its hash and costs nothing."
PASSAGES = [
    _passage("guide/documents.md", 0, "Documents", ["Add documents"], PASSAGE, 0.91),
    _passage("guide/ingest.md", 2, "Ingestion", ["Idempotence", "Fingerprints"], HASH, 0.74),
    _passage("guide/collections.md", 1, "Collections", ["Names"], "A collection is made by its first document.", 0.41),
    _passage("guide/limits.md", 0, "Limits", [], SCRIPT, 0.22),
]


def _result(question: str, *, abstained: bool, degraded: list[str]) -> dict[str, Any]:
    low = [{**p, "scores": {**p["scores"], "relevance": 0.1 * p["scores"]["relevance"]}} for p in PASSAGES]
    dropped = [{"passage": p, "reason": "below_threshold", "by": None} for p in low] if abstained else [
        {"passage": PASSAGES[2], "reason": "near_duplicate", "by": PASSAGES[0]["id"]},
        {"passage": PASSAGES[3], "reason": "over_top_k", "by": None},
    ]  # fmt: skip
    trace = {
        "queries": [question], "dense": PASSAGES, "sparse": PASSAGES[::-1], "fused": PASSAGES, "reranked": [], "dropped": dropped,
        "timings_s": {"embed": 0.0112, "search": 0.0041}, "reranker": None, "threshold": 0.35,
    }  # fmt: skip
    return {
        "receipt_id": "rcpt-1", "outcome": "abstained" if abstained else "answered", "model": "extractive", "engine": "extractive",
        "prompt": "answer@1", "question": question, "relevance": 0.091 if abstained else 0.91, "degraded": degraded,
        "citations": [] if abstained else [_citation(1, PASSAGES[0], QUOTE), _citation(2, PASSAGES[1], HASH[33:])],
        "timings_s": {"retrieve": 0.021, "generate": 0.134, "total": 0.158}, "explain": trace,
    }  # fmt: skip


def _citation(number: int, passage: dict[str, Any], quote: str) -> dict[str, Any]:
    start = passage["text"].index(quote)
    kept = {name: passage[name] for name in ("document_id", "title", "title_path", "source", "page", "text", "scores")}
    return {"number": number, "chunk_id": passage["id"], **kept, "start": start, "end": start + len(quote), "quote": quote}
