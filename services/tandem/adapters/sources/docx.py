"""DOCX to Markdown by way of HTML."""

import io
import zipfile
from xml.parsers.expat import ExpatError

import mammoth  # type: ignore[import-untyped]
from selectolax.lexbor import LexborHTMLParser

from tandem.adapters.sources.archives import Archive
from tandem.adapters.sources.equations import written_out
from tandem.adapters.sources.formats import DOCX_TYPE
from tandem.adapters.sources.html import html_to_markdown
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.markdown import first_heading
from tandem.adapters.sources.naming import tidy_title
from tandem.adapters.sources.properties import office_properties
from tandem.domain.document import LoadedDocument, RawDocument

_MAX_TITLE_LINE = 120


def read_docx(document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    """Headings, lists, tables and footnotes by the document's styles, with all tracked changes accepted, without comments.

    Raises `DocumentRejected`: `damaged`, `too_large`, `encrypted`.
    """
    archive = Archive(document.body, "DOCX", limits)
    try:
        markup = mammoth.convert_to_html(
            io.BytesIO(written_out(document.body, archive)), convert_image=_no_images
        ).value
    except (
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        OSError,
        EOFError,
        ExpatError,
        AttributeError,
        IndexError,
    ) as error:
        raise archive.damaged() from error
    text = html_to_markdown(LexborHTMLParser(markup))
    properties = office_properties(archive)
    return properties.on(LoadedDocument(properties.title or _title(text) or "", text, DOCX_TYPE))


def _title(text: str) -> str | None:
    """The first line when it reads like a title: people seldom use the style of that name."""
    first = text.partition("\n")[0].lstrip("# ").strip("*")
    return (
        tidy_title(first)
        if len(first) <= _MAX_TITLE_LINE and not first.endswith((".", ":", ","))
        else first_heading(text)
    )


def _no_images(_image: object) -> list[object]:
    return []
