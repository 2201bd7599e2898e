"""PDF to text, page by page."""

import re

import pypdfium2 as pdfium  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium_c  # type: ignore[import-untyped]

from tandem.adapters.sources.encodings import clean
from tandem.adapters.sources.formats import PDF_TYPE
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.naming import tidy_title
from tandem.domain.document import LoadedDocument, RawDocument
from tandem.domain.errors import DocumentRejected

_NO_TITLE = re.compile(
    r"untitled|anonymous|\(anonymous\)|microsoft word - .*|.*\.(docx?|pdf|tex|indd|qxd)", re.IGNORECASE
)
_LIST_ITEM = re.compile(r"[•·▪◦‣*\u2013-]\s|\(?\d+[.)]\s|\d+(\.\d+)+\s")
_WRAPPED_SHARE = 0.8
_LONG_LINE = 40


def read_pdf(document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    """The text of all pages, one blank line apart. Raises `DocumentRejected`: `encrypted`, `damaged`, `no_text`, `too_large`."""
    pdf = _open(document.body)
    try:
        pages = [_page_text(pdf, number) for number in range(len(pdf))]
        title = _title(pdf)
    except pdfium.PdfiumError as error:
        raise DocumentRejected("The PDF is damaged: a page cannot be read.", reason="damaged") from error
    finally:
        pdf.close()
    if sum(map(len, pages)) > limits.text_chars:
        raise DocumentRejected("The PDF holds more text than is allowed.", reason="too_large")
    if not any(pages):
        raise DocumentRejected(
            "The PDF holds no text, only pictures of pages.",
            reason="no_text",
            hint="Run OCR on it first (ocrmypdf, say), then ingest the result.",
        )
    text, starts = _joined(pages)
    return LoadedDocument(title or "", text, PDF_TYPE, None, starts)


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


def _page_text(pdf: pdfium.PdfDocument, number: int) -> str:
    page = pdf[number]
    try:
        content = page.get_textpage()
        try:
            return unwrap(clean(content.get_text_bounded().replace("\ufffe", "")))
        finally:
            content.close()
    finally:
        page.close()


def unwrap(text: str) -> str:
    """Lines that end only because the page does are joined to paragraphs; short lines, list items and tables stay."""
    lines = [line.strip() for line in text.split("\n")]
    width = sorted(map(len, lines))[int(len(lines) * 0.9)]
    joined: list[str] = []
    full = False
    for line in lines:
        if joined and full and line and not _LIST_ITEM.match(line):
            joined[-1] = _glued(joined[-1], line)
        else:
            joined.append(line)
        full = width >= _LONG_LINE and len(line) >= width * _WRAPPED_SHARE
    return "\n".join(joined).strip()


def _glued(left: str, right: str) -> str:
    return left + right if left.endswith(("-", "\u00ad")) and right[:1].islower() else f"{left} {right}"


def _joined(pages: list[str]) -> tuple[str, tuple[int, ...]]:
    starts, at = [], 0
    for page in pages:
        starts.append(at)
        at += len(page) + 2
    return "\n\n".join(pages), tuple(starts)


def _title(pdf: pdfium.PdfDocument) -> str | None:
    title = tidy_title(clean(pdf.get_metadata_value("Title")))
    return None if title is None or _NO_TITLE.fullmatch(title) else title
