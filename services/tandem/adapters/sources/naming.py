"""A title for a document that brings none."""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

_BLANK = re.compile(r"\s+")
_MAX_TITLE_CHARS = 200


def title_from_id(document_id: str) -> str:
    """The file's name without folders and suffix; of a URL its last segment, else its host."""
    if "://" in document_id:
        parts = urlsplit(document_id)
        return PurePosixPath(unquote(parts.path)).stem or parts.netloc or document_id
    return PurePosixPath(document_id).stem or document_id


def tidy_title(title: str | None) -> str | None:
    """One line of bounded length; None when nothing is left."""
    return _BLANK.sub(" ", title or "").strip()[:_MAX_TITLE_CHARS].strip() or None
