"""What the head of an HTML page says of it: meta tags, OpenGraph, JSON-LD."""

import json
from collections.abc import Iterator
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from tandem.adapters.sources.properties import Properties, author, instant, keywords, language

_AUTHOR = ("author", "article:author", "dc.creator", "dcterms.creator", "parsely-author")
_CREATED = ("article:published_time", "date", "datepublished", "dc.date", "dcterms.created", "pubdate", "publish-date")
_MODIFIED = ("article:modified_time", "og:updated_time", "last-modified", "datemodified", "dcterms.modified", "revised")
_KEYWORDS = ("keywords", "news_keywords", "article:tag")
_MAX_JSON = 200_000
_MAX_METAS = 500
_LINKED = frozenset({"article", "newsarticle", "blogposting", "webpage", "techarticle", "report", "book", "faqpage"})


def page_properties(tree: LexborHTMLParser) -> Properties:
    """Meta tags win over JSON-LD, which most pages get from a program that knows less."""
    metas = _metas(tree)
    linked = next(iter(_linked(tree)), {})
    lang = tree.root.attributes.get("lang") if tree.root is not None else None

    def first(names: tuple[str, ...]) -> str | None:
        return next((metas[name] for name in names if metas.get(name)), None)

    return Properties(
        author=_author(first(_AUTHOR)) or author(_names(linked.get("author"))),
        created_at=_either(instant(first(_CREATED)), instant(linked.get("datePublished"))),
        modified_at=_either(instant(first(_MODIFIED)), instant(linked.get("dateModified"))),
        language=language(lang) or language(first(("content-language", "language", "og:locale"))),
        tags=keywords(first(_KEYWORDS)),
    )


def _metas(tree: LexborHTMLParser) -> dict[str, str]:
    found: dict[str, str] = {}
    for meta in tree.css("meta")[:_MAX_METAS]:
        said = meta.attributes
        name = (
            said.get("name") or said.get("property") or said.get("http-equiv") or said.get("itemprop") or ""
        ).lower()
        content = said.get("content") or ""
        if name in found and name == "article:tag":
            found[name] += f",{content}"
        else:
            found.setdefault(name, content)
    return found


def _author(said: str | None) -> str | None:
    """A profile's address is no name."""
    return None if said is None or "://" in said else author(said)


def _linked(tree: LexborHTMLParser) -> Iterator[dict[str, Any]]:
    """Objects of JSON-LD that stand for the page."""
    for script in tree.css('script[type="application/ld+json"]')[:20]:
        try:
            found = json.loads(script.text()[:_MAX_JSON])
        except (ValueError, RecursionError):
            continue
        graph = found.get("@graph") if isinstance(found, dict) and isinstance(found.get("@graph"), list) else None
        for each in graph or (found if isinstance(found, list) else [found]):
            if isinstance(each, dict) and str(each.get("@type")).lower() in _LINKED:
                yield each


def _names(said: Any) -> str | None:
    if isinstance(said, list):
        return ", ".join(filter(None, (_names(each) for each in said[:5] if not isinstance(each, list)))) or None
    if isinstance(said, dict):
        return str(said.get("name") or "")
    return said if isinstance(said, str) else None


def _either(first: float | None, second: float | None) -> float | None:
    return second if first is None else first
