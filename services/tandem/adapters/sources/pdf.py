"""PDF to Markdown, page by page: headings by the size of their letters, tables by what stands in columns."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2 as pdfium  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium_c  # type: ignore[import-untyped]

from tandem.adapters.sources.encodings import clean
from tandem.adapters.sources.formats import PDF_TYPE
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.naming import tidy_title
from tandem.adapters.sources.pdf_lines import Line, body_size, lines_of
from tandem.adapters.sources.pdf_tables import FoundTable, tables_of
from tandem.adapters.sources.pdf_text import headings_of, marked_up
from tandem.adapters.sources.properties import Properties, author, instant, keywords
from tandem.adapters.sources.tables import markdown_tables
from tandem.domain.document import LoadedDocument, RawDocument
from tandem.domain.errors import DocumentRejected

_NO_TITLE = re.compile(
    r"untitled|anonymous|\(anonymous\)|microsoft word - .*|.*\.(docx?|pdf|tex|indd|qxd)", re.IGNORECASE
)
# Pages looked at for pictures, to tell a scan from a file without content.
_LOOKED_AT = 20
# Beyond so many pages neither tables nor headings are looked for: where each letter stands costs three times the text.
_LAID_OUT = 1_000


def read_pdf(document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    """The text of all pages, one blank line apart.

    Raises `DocumentRejected`: `encrypted`, `damaged`, `too_large`, `scanned` for pictures of pages without text, and
    `no_text`.
    """
    pdf = _open(document.body)
    try:
        pages = _Pages(pdf, limits.text_chars).markdown()
        properties = _properties(pdf)
        scanned = not any(pages) and any(_has_picture(pdf, number) for number in range(min(len(pdf), _LOOKED_AT)))
    except pdfium.PdfiumError as error:
        raise DocumentRejected("The PDF is damaged: a page cannot be read.", reason="damaged") from error
    finally:
        pdf.close()
    if not any(pages):
        raise _without_text(scanned=scanned)
    text, starts = _joined(pages)
    return properties.on(LoadedDocument("", text, PDF_TYPE, None, starts))


def _without_text(*, scanned: bool) -> DocumentRejected:
    if scanned:
        return DocumentRejected(
            "The PDF is a scan: it holds pictures of pages and no text.",
            reason="scanned",
            hint="Run OCR on it first (ocrmypdf, say), then ingest the result.",
        )
    return DocumentRejected("The PDF holds no text.", reason="no_text")


def _open(body: bytes) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(body)
    except pdfium.PdfiumError as error:
        if error.err_code in {pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY}:
            raise DocumentRejected(
                "The PDF is protected by a password.", reason="encrypted", hint="Save a copy without a password."
            ) from error
        raise DocumentRejected(
            "The PDF is damaged or cut short.", reason="damaged", hint="Download or export it again."
        ) from error


@dataclass(frozen=True, slots=True)
class _Page:
    """What was found on one page: its text, or, around tables, the text of each band between them."""

    bands: tuple[str | FoundTable, ...]
    lines: tuple[Line, ...]


class _Pages:
    """All pages: what is a heading shows only against the whole document's letters."""

    def __init__(self, pdf: pdfium.PdfDocument, most_chars: int) -> None:
        self._most_chars = most_chars
        self._pages: list[_Page] = []
        chars = 0
        for number in range(len(pdf)):
            self._pages.append(_page(pdf, number))
            chars += sum(len(band) for band in self._pages[-1].bands if isinstance(band, str))
            if chars > most_chars:
                raise DocumentRejected("The PDF holds more text than is allowed.", reason="too_large")

    def markdown(self) -> list[str]:
        """One text a page."""
        body = body_size(line for page in self._pages for line in page.lines)
        headings = headings_of((line for page in self._pages for line in page.lines), body)
        return ["\n\n".join(filter(None, self._blocks(page, headings))).strip() for page in self._pages]

    def _blocks(self, page: _Page, headings: dict[str, int]) -> Iterator[str]:
        for band in page.bands:
            if isinstance(band, str):
                yield marked_up(band, headings)
            else:
                yield from map(clean, markdown_tables(band.rows, self._most_chars, lettered=False))


def _page(pdf: pdfium.PdfDocument, number: int) -> _Page:
    page = pdf[number]
    try:
        content = page.get_textpage()
        try:
            lines = lines_of(content) if number < _LAID_OUT else []
            bands = tuple(_bands(content, tables_of(lines), page.get_height()))
            return _Page(bands, tuple(lines))
        finally:
            content.close()
    finally:
        page.close()


def _bands(content: pdfium.PdfTextPage, tables: list[FoundTable], top: float) -> Iterator[str | FoundTable]:
    """From the top down. Without tables the page's own order of text is kept, which knows columns of prose."""
    if not tables:
        yield clean(content.get_text_bounded().replace("\ufffe", ""))
        return
    for table in tables:
        yield _between(content, table.top, top)
        yield table
        top = table.bottom
    yield _between(content, 0.0, top)


def _between(content: pdfium.PdfTextPage, bottom: float, top: float) -> str:
    if top <= bottom:
        return ""
    return clean(content.get_text_bounded(bottom=bottom, top=top).replace("\ufffe", ""))


def _joined(pages: list[str]) -> tuple[str, tuple[int, ...]]:
    starts, at = [], 0
    for page in pages:
        starts.append(at)
        at += len(page) + 2
    return "\n\n".join(pages), tuple(starts)


def _has_picture(pdf: pdfium.PdfDocument, number: int) -> bool:
    page = pdf[number]
    try:
        return any(True for _ in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE], max_depth=3))
    finally:
        page.close()


def _properties(pdf: pdfium.PdfDocument) -> Properties:
    title = tidy_title(clean(pdf.get_metadata_value("Title")))
    return Properties(
        title=None if title is None or _NO_TITLE.fullmatch(title) else title,
        author=author(pdf.get_metadata_value("Author")),
        created_at=instant(pdf.get_metadata_value("CreationDate")),
        modified_at=instant(pdf.get_metadata_value("ModDate")),
        tags=keywords(pdf.get_metadata_value("Keywords")),
    )
