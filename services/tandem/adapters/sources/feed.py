"""RSS and Atom feeds to Markdown, a section per entry; other XML stays as it is written."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from selectolax.lexbor import LexborHTMLParser

from tandem.adapters.sources.archives import parse_xml
from tandem.adapters.sources.encodings import clean
from tandem.adapters.sources.formats import RSS_TYPE
from tandem.adapters.sources.html import html_to_markdown
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.naming import tidy_title
from tandem.adapters.sources.plain import read_plain
from tandem.adapters.sources.properties import Properties, author, instant, language
from tandem.domain.document import LoadedDocument, RawDocument

_BODIES = ("encoded", "content", "description", "summary")
_DATES = ("pubDate", "published", "updated", "date")


def read_xml(document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    """A feed's entries; XML that is no feed, or that cannot be parsed, as plain text."""
    try:
        root = parse_xml(document.body)
    except ValueError:
        return read_plain(document, limits)
    if _name(root) not in {"rss", "feed", "RDF"}:
        return read_plain(document, limits)
    channel = next((each for each in root if _name(each) == "channel"), root)
    entries = [each for each in root.iter() if _name(each) in {"item", "entry"}]
    text = "\n\n".join(block for entry in entries for block in _entry(entry))
    about = tidy_title(_said(channel, "description") or _said(channel, "subtitle"))
    properties = Properties(
        title=tidy_title(clean(_said(channel, "title"))),
        author=author(_said(channel, "managingEditor")),
        modified_at=instant(_said(channel, "lastBuildDate") or _said(channel, "updated") or _said(channel, "pubDate")),
        language=language(_said(channel, "language")),
    )
    return properties.on(LoadedDocument("", clean(f"{about}\n\n{text}" if about else text).strip(), RSS_TYPE))


def _entry(entry: Element) -> Iterator[str]:
    yield f"## {tidy_title(clean(_said(entry, 'title'))) or 'Untitled'}"
    by = author(_said(entry, "creator") or _said(entry, "author") or _nested(entry, "author", "name"))
    when = next((said for name in _DATES if (said := _said(entry, name))), "")
    link = _said(entry, "link") or next((each.get("href", "") for each in entry if _name(each) == "link"), "")
    if about := ", ".join(part for part in (by, " ".join(when.split()), link.strip()) if part):
        yield about
    bodies = (_content(each) for name in _BODIES for each in entry if _name(each) == name)
    if body := next(filter(None, bodies), ""):
        yield body


def _content(element: Element) -> str:
    markup = element.text or ""
    return html_to_markdown(LexborHTMLParser(markup)) if "<" in markup else clean(markup).strip()


def _said(element: Element, name: str) -> str:
    """The text of the first child of that name."""
    return next(
        ((each.text or "").strip() for each in element if _name(each) == name and (each.text or "").strip()), ""
    )


def _nested(element: Element, outer: str, inner: str) -> str:
    return next((_said(each, inner) for each in element if _name(each) == outer), "")


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
