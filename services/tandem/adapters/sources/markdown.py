"""Markdown, with or without front matter."""

import re
from typing import Any

from tandem.adapters.sources.encodings import charset_of, decode
from tandem.adapters.sources.formats import MARKDOWN_TYPE
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.naming import tidy_title
from tandem.adapters.sources.properties import Properties, author, instant, language, tags
from tandem.domain.document import LoadedDocument, RawDocument

# Front matter is YAML between --- lines, or TOML between +++ lines, at the very top.
_FRONT = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?)^\1[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_SCALAR = re.compile(
    r"^(title|lang|language|authors?|date|created|updated|modified|lastmod|last_modified_at|tags|keywords)\s*[:=][ \t]*(.*?)[ \t]*$",
    re.MULTILINE,
)
_ITEM = re.compile(r"\s*-\s+(.+?)\s*$")
_MODIFIED = ("updated", "modified", "lastmod", "last_modified_at")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^ {0,3}#[ \t]+(.+?)[ \t]*#*[ \t]*$")


def read_markdown(document: RawDocument, _limits: LoadLimits) -> LoadedDocument:
    """The text without its front matter; title, author, dates, language and tags from there, else the first top heading.

    An access list in it is not believed: who wrote a document does not decide who may see it.
    """
    text = decode(document.body, charset_of(document.media_type))
    front, text = split_front_matter(text)
    text = strip_comments(text)
    title = tidy_title(front.get("title")) or first_heading(text)
    return _properties(front).on(LoadedDocument(title or "", text.strip("\n"), MARKDOWN_TYPE))


def _properties(front: dict[str, str]) -> Properties:
    created = front.get("date") or front.get("created")
    modified = next((front[name] for name in _MODIFIED if front.get(name)), None)
    return Properties(
        author=author(", ".join(_listed(front.get("author") or front.get("authors") or ""))),
        created_at=instant(created),
        modified_at=instant(modified),
        language=language(front.get("lang") or front.get("language")),
        tags=tags([*_listed(front.get("tags", "")), *_listed(front.get("keywords", ""))]),
    )


def _listed(value: str) -> list[str]:
    """`[a, b]`, `a, b`, or one a line; without quotes."""
    return [_unquoted(each.strip()) for each in re.split(r"[,\n]", value.strip("[]")) if each.strip()]


def split_front_matter(text: str) -> tuple[dict[str, str], str]:
    """The scalars and lists of words we use, and the text after the block. Only plain ones are read: no YAML is executed."""
    found = _FRONT.match(text)
    if found is None or not _looks_like_front_matter(found.group(2)):
        return {}, text
    block = found.group(2)
    values = {
        mark.group(1): _unquoted(mark.group(2)) or _items(block[mark.end() :]) for mark in _SCALAR.finditer(block)
    }
    return values, text[found.end() :]


def _items(following: str) -> str:
    """A list below its name: `- one`, `- two`."""
    items = []
    for line in following.split("\n")[1:]:
        item = _ITEM.match(line)
        if item is None:
            break
        items.append(item.group(1))
    return "\n".join(items)


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
