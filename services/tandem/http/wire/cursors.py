"""Where a page ended, as text that a client hands back: an instant, and the ids that tell what stands at it apart."""

import math
from base64 import urlsafe_b64decode, urlsafe_b64encode

import orjson

from tandem.domain.errors import InvalidRequest


def cursor_text(at: float, *ids: str) -> str:
    """`at` in seconds since 1970."""
    return urlsafe_b64encode(orjson.dumps([at, *ids])).decode()


def read_cursor(text: str, ids: int) -> tuple[float, list[str]]:
    """The instant and so many ids. Raises `InvalidRequest` for a text that no page gave."""
    try:
        at, *told = orjson.loads(urlsafe_b64decode(text))
        sound = isinstance(at, (int, float)) and math.isfinite(at) and all(isinstance(each, str) for each in told)
        if sound and len(told) == ids:
            return float(at), told
    except (ValueError, TypeError):
        pass
    raise InvalidRequest("after: no page ended there.", hint="Take next_after of the page before.", param="after")
