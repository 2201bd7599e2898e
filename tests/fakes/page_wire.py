"""What Tandem answers, as the page's fake backend says it: passages, citations, traces, records."""

from typing import Any

import orjson
from starlette.responses import JSONResponse, Response

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


def event(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def fault(status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: str) -> Response:
    """The error, as every route tells it."""
    return JSONResponse(
        {"error": {"message": message, "type": "error", "code": code, "param": None, **more}}, status, headers
    )


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "extractive",
        "choices": [choice],
    }


def record(document_id: str, text: str, title: str) -> dict[str, Any]:
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
        "characters": len(text), "ingested_at": 1_790_000_000.0, "language": "en", "modified_at": None, "author": None, "created_at": None, "path": None, "acl": [], "tags": [], "content": content,
    }  # fmt: skip


def _passage(document_id: str, title: str, path: list[str], text: str, relevance: float) -> dict[str, Any]:
    scores = {
        "dense": 0.2 + relevance / 2,
        "sparse": 14.2 * relevance,
        "fused": 0.0328 * relevance,
        "rerank": None,
        "relevance": relevance,
    }
    return {
        "id": f"{document_id}#0", "document_id": document_id, "ordinal": 0, "title": title, "source": document_id,
        "title_path": [title, *path], "text": text, "start": 0, "end": len(text), "tokens": 40, "page": None, "scores": scores,
    }  # fmt: skip


HASH = "Every document is fingerprinted. A file that did not change is recognised by its hash and costs nothing."
PASSAGES = [
    _passage("guide/documents.md", "Documents", ["Add documents"], PASSAGE, 0.91),
    _passage("guide/ingest.md", "Ingestion", ["Idempotence", "Fingerprints"], HASH, 0.74),
    _passage("guide/collections.md", "Collections", ["Names"], "A collection is made by its first document.", 0.41),
    _passage("guide/limits.md", "Limits", [], SCRIPT, 0.22),
]


def result(question: str, *, abstained: bool, degraded: list[str]) -> dict[str, Any]:
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
        "timings_s": {"retrieval": 0.024, "first_token": 0.01, "generation": 0.134}, "explain": trace,
    }  # fmt: skip


def _citation(number: int, passage: dict[str, Any], quote: str) -> dict[str, Any]:
    start = passage["text"].index(quote)
    kept = {name: passage[name] for name in ("document_id", "title", "title_path", "source", "page", "text", "scores")}
    return {
        "number": number,
        "chunk_id": passage["id"],
        **kept,
        "start": start,
        "end": start + len(quote),
        "quote": quote,
    }
