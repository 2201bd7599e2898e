"""Markdown, with or without front matter."""

import re
from typing import Any

from tandem.adapters.sources.encodings import charset_of, decode
from tandem.adapters.sources.formats import MARKDOWN_TYPE
from tandem.adapters.sources.naming import tidy_title
from tandem.domain.document import LoadedDocument, RawDocument

# Front matter is YAML between --- lines, or TOML between +++ lines, at the very top.
_FRONT = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?)^\1[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_SCALAR = re.compile(r"^(title|lang|language)\s*[:=]\s*(.+?)\s*$", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^ {0,3}#[ \t]+(.+?)[ \t]*#*[ \t]*$")


def read_markdown(document: RawDocument) -> LoadedDocument:
    """The text without its front matter; the title from there, else the first top heading."""
    text = decode(document.body, charset_of(document.media_type))
    front, text = split_front_matter(text)
    text = strip_comments(text)
    title = tidy_title(front.get("title")) or first_heading(text)
    return LoadedDocument(title or "", text.strip("\n"), MARKDOWN_TYPE, front.get("lang") or front.get("language"))


def split_front_matter(text: str) -> tuple[dict[str, str], str]:
    """The scalars we use, and the text after the block. Only plain one-line values are read: no YAML is executed."""
    found = _FRONT.match(text)
    if found is None or not _looks_like_front_matter(found.group(2)):
        return {}, text
    values = {name: _unquoted(value) for name, value in _SCALAR.findall(found.group(2))}
    return values, text[found.end() :]


def first_heading(text: str) -> str | None:
    """The first `# heading` outside code fences."""
    fence: str | None = None
    for line in text.split("\n"):
        mark: Any = _FENCE.match(line)
        if mark is not None and (fence is None or mark.group(1).startswith(fence)):
            fence = mark.group(1) if fence is None else None
        elif fence is None and (found := _HEADING.match(line)) is not None:
            return tidy_title(found.group(1))
    return None


def strip_comments(text: str) -> str:
    """HTML comments are notes to authors, not content; those in code stay, and need no care when there are none."""
    if "<!--" not in text or "```" in text or "~~~" in text:
        return text
    return _COMMENT.sub("", text)


def _looks_like_front_matter(block: str) -> bool:
    lines = [line for line in block.split("\n") if line.strip()]
    return all(re.match(r"\s|#|-|\]|\}|[\w.\"'-]+\s*[:=]", line) for line in lines)


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1].replace('\\"', '"').replace("''", "'")
    return value
