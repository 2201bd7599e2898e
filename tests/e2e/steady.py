"""A predictor of fixed pace in the cluster, for tests that need streams of a known length: `predictor.external`."""

from e2e.cluster import Object
from e2e.pods import FAKES
from e2e.space import Space

_PORT = 8080


def steady(space: Space, *, tokens: int, gap_ms: float) -> Object:
    """Start it; the values that make a release use it, for conversations without retrieval."""
    flags = ["--host", "0.0.0.0", "--port", str(_PORT), "--tokens", str(tokens), "--gap-ms", f"{gap_ms:g}"]
    space.serve("steady", FAKES / "steady_llm.py", flags, _PORT)
    return {
        "predictor": {
            "enabled": False,
            "external": {
                "url": f"http://steady.{space.name}.svc.cluster.local:{_PORT}",
                "protocol": "openai",
                "model": "steady",
            },
        },
        "config": {"retrieval": {"enabled": False}, "admission": {"initial": 128}},
    }
