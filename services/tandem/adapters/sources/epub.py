"""EPUB to Markdown: the chapters in reading order."""

import posixpath
import re
from dataclasses import replace
from xml.etree.ElementTree import Element

from selectolax.lexbor import LexborHTMLParser

from tandem.adapters.sources.archives import Archive, inside
from tandem.adapters.sources.encodings import charset_of, clean, decode
from tandem.adapters.sources.formats import EPUB_TYPE
from tandem.adapters.sources.html import html_to_markdown
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.naming import tidy_title
from tandem.adapters.sources.properties import Properties, author, instant, language, tags
from tandem.domain.document import LoadedDocument, RawDocument
from tandem.domain.errors import DocumentRejected

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_ROOTFILE = "{urn:oasis:names:tc:opendocument:xmlns:container}rootfile"
_OPF = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_PAGES = frozenset({"application/xhtml+xml", "text/html"})
_HEAD_BYTES = 1024
# In XHTML these may be empty; an HTML parser would take all that follows for their content.
_EMPTY = re.compile(r"<(title|script|style|textarea|iframe|a|i|b|em|span|div|p)(\s[^<>]*)?/>")


def read_epub(document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    """The spine's chapters, one blank line apart. Raises `DocumentRejected`: `damaged`, `too_large`, `encrypted`."""
    archive = Archive(document.body, "EPUB", limits)
    found = next(archive.xml(_CONTAINER).iter(_ROOTFILE), None)
    name = "" if found is None else found.get("full-path", "")
    package = archive.xml(name)
    chapters = [_chapter(archive, each) for each in _spine(archive, package, posixpath.dirname(name))]
    if not any(chapters) and _ENCRYPTION in archive.names:
        raise DocumentRejected("The EPUB is protected (DRM).", reason="encrypted")
    text = "\n\n".join(filter(None, chapters))
    return _properties(package).on(LoadedDocument("", text, EPUB_TYPE))


def _spine(archive: Archive, package: Element, folder: str) -> list[str]:
    items = {
        each.get("id", ""): inside(folder, each.get("href", ""))
        for each in package.iter(f"{_OPF}item")
        if each.get("media-type") in _PAGES and "nav" not in (each.get("properties") or "").split()
    }
    listed = (items.get(each.get("idref", "")) for each in package.iter(f"{_OPF}itemref"))
    # Each chapter once, however often a hostile spine names it.
    return list(dict.fromkeys(each for each in listed if each is not None and each in archive.names))


def _chapter(archive: Archive, name: str) -> str:
    body = archive.read(name)
    page = decode(body, charset_of(body[:_HEAD_BYTES].decode("latin-1")))
    return html_to_markdown(LexborHTMLParser(_EMPTY.sub(r"<\1\2></\1>", page)))


def _properties(package: Element) -> Properties:
    def said(name: str) -> list[str]:
        return [each.text or "" for each in package.iter(f"{_DC}{name}")]

    first = {name: next(iter(said(name)), "") for name in ("title", "date", "language")}
    modified = next(
        (each.text for each in package.iter(f"{_OPF}meta") if each.get("property") == "dcterms:modified"), None
    )
    found = Properties(
        title=tidy_title(clean(first["title"])),
        author=author(", ".join(said("creator")[:5])),
        created_at=instant(first["date"]),
        language=language(first["language"]),
        tags=tags([clean(each) for each in said("subject")]),
    )
    return replace(found, modified_at=instant(modified))
