"""What a model made of a question, as `POST /v1/retrieve` takes it."""

from dataclasses import asdict
from typing import Any

from tandem.domain.query import Wording

# What the other side takes of each text, see `http/wire/wording.py`.
_LONGEST_LINE = 1000


def wording_body(wording: Wording) -> dict[str, Any]:
    """JSON, nothing left out."""
    return {
        "queries": [asdict(query) for query in wording.queries],
        "filters": [asdict(condition) for condition in wording.filters],
        "told": [line[:_LONGEST_LINE] for line in wording.told],
        "degraded": list(wording.degraded),
        "timings_s": dict(wording.timings_s),
    }
