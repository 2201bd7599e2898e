"""What a Qdrant server says to a search over REST: one document's chunks, whatever is asked."""

from typing import Any

import orjson

from fakes.chunks import embedded, record
from fakes.faulty import Answer, Heard
from tandem.adapters.embeddings.bm25 import Bm25Embedder
from tandem.adapters.qdrant.payload import new_point

# As a process makes collections without settings of its own.
RECIPE = {
    "embedder": "all-MiniLM-L6-v2-int8@8199be6f",
    "dimensions": 384,
    "sparse": Bm25Embedder().name,
    "chunker": "structure-200-32@2",
}
CONFIG = {
    "params": {"vectors": {"dense": {"size": 384, "distance": "Cosine"}}},
    "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
    "optimizer_config": {
        "deleted_threshold": 0.2,
        "vacuum_min_vector_number": 1000,
        "default_segment_number": 0,
        "flush_interval_sec": 5,
    },
    "metadata": {"tandem": RECIPE},
}
COLLECTION = {"status": "green", "optimizer_status": "ok", "segments_count": 1, "config": CONFIG, "payload_schema": {}}

TEXT = "The harbour opens at seven in the morning."


def points(tenant: str, *texts: str) -> list[dict[str, Any]]:
    """Scored points, best first."""
    document = record("harbour.md", texts)
    made = [new_point(tenant, document, each) for each in embedded("harbour.md", texts)]
    return [
        {"id": each.id, "version": 0, "score": 0.9 - n / 10, "payload": each.payload} for n, each in enumerate(made)
    ]


def answer(tenant: str = "default", *texts: str) -> Answer:
    """For `Faulty`: every query of a batch finds the same."""
    found = points(tenant, *(texts or (TEXT,)))

    def say(heard: Heard) -> tuple[int, bytes]:
        if "/aliases" in heard.line:
            names = [{"alias_name": "docs", "collection_name": "docs@1"}]
            return 200, orjson.dumps({"result": {"aliases": names}, "status": "ok", "time": 0.0})
        if heard.line.startswith("GET /collections/docs%401 "):
            return 200, orjson.dumps({"result": COLLECTION, "status": "ok", "time": 0.0})
        if "/points/query/batch" not in heard.line:
            return 404, orjson.dumps({"status": {"error": f"Not found: {heard.line}"}, "time": 0.0})
        searches = orjson.loads(heard.body)["searches"]
        result = [{"points": found} for _ in searches]
        return 200, orjson.dumps({"result": result, "status": "ok", "time": 0.0})

    return say
