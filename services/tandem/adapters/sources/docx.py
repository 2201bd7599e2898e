"""DOCX to Markdown by way of HTML."""

import html
import io
import re
import zipfile
from xml.parsers.expat import ExpatError

import mammoth  # type: ignore[import-untyped]
from selectolax.lexbor import LexborHTMLParser

from tandem.adapters.sources.formats import DOCX_TYPE
from tandem.adapters.sources.html import html_to_markdown
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.markdown import first_heading
from tandem.adapters.sources.naming import tidy_title
from tandem.domain.document import LoadedDocument, RawDocument
from tandem.domain.errors import DocumentRejected

_MAX_ENTRIES = 5_000
_MAX_RATIO = 200
_SMALL_ENOUGH = 4_000_000
_PROPERTIES = "docProps/core.xml"
_TITLE = re.compile(rb"<dc:title>([^<]{1,400})</dc:title>")
_MAX_TITLE_LINE = 120


def read_docx(document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    """Headings, lists and tables by the document's styles. Raises `DocumentRejected`: `damaged`, `too_large`, `encrypted`."""
    check_archive(document.body, limits)
    try:
        markup = mammoth.convert_to_html(io.BytesIO(document.body), convert_image=_no_images).value
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
        raise DocumentRejected("The DOCX file is damaged: its content cannot be read.", reason="damaged") from error
    text = html_to_markdown(LexborHTMLParser(markup))
    return LoadedDocument(_title(document.body, text) or "", text, DOCX_TYPE)


def check_archive(body: bytes, limits: LoadLimits) -> None:
    """Refuses what unfolds to far more than it weighs, by the archive's own directory, before anything is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DocumentRejected("The DOCX file is damaged or cut short.", reason="damaged") from error
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise DocumentRejected(
            "The DOCX file is protected by a password.", reason="encrypted", hint="Save a copy without a password."
        )
    # Pictures and fonts are never unpacked, so only the XML parts count.
    unfolded = sum(entry.file_size for entry in entries if entry.filename.endswith((".xml", ".rels")))
    packed = sum(entry.compress_size for entry in entries) or 1
    over = unfolded > limits.text_chars * 10
    if len(entries) > _MAX_ENTRIES or over or (unfolded > _SMALL_ENOUGH and unfolded / packed > _MAX_RATIO):
        raise DocumentRejected("The DOCX file unfolds to far more than it weighs.", reason="too_large")


def _title(body: bytes, text: str) -> str | None:
    """The title property, else the first line when it reads like a title (people seldom use the style of that name)."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        found = _TITLE.search(archive.read(_PROPERTIES)) if _PROPERTIES in archive.namelist() else None
    if (
        found is not None
        and (title := tidy_title(html.unescape(found.group(1).decode("utf-8", "replace")))) is not None
    ):
        return title
    first = text.partition("\n")[0].lstrip("# ").strip("*")
    return (
        tidy_title(first)
        if len(first) <= _MAX_TITLE_LINE and not first.endswith((".", ":", ","))
        else first_heading(text)
    )


def _no_images(_image: object) -> list[object]:
    return []
