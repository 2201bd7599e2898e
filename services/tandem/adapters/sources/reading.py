"""One document, read: the format is told, its reader loaded, its result held to the rules."""

from dataclasses import replace

from tandem.adapters.sources.formats import Format, detect
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.naming import tidy_title, title_from_id
from tandem.domain.document import LoadedDocument, RawDocument
from tandem.domain.errors import DocumentRejected


def read(document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    """Normalised text with a title. Raises `DocumentRejected`."""
    loaded = _by_format(detect(document.id, document.media_type, document.body), document, limits)
    if not loaded.text.strip():
        raise DocumentRejected("The document holds no text.", reason="empty")
    if len(loaded.text) > limits.text_chars:
        raise DocumentRejected(
            f"The document holds {len(loaded.text):,} characters of text; {limits.text_chars:,} are allowed.",
            reason="too_large",
            hint="Split it, or raise ingestion.max_text_chars.",
        )
    title = tidy_title(document.title) or tidy_title(loaded.title) or title_from_id(document.id)
    return replace(loaded, title=title)


def _by_format(kind: Format, document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    # Each reader's library is loaded when its first document comes.
    match kind:
        case "markdown":
            from tandem.adapters.sources.markdown import read_markdown

            return read_markdown(document)
        case "html":
            from tandem.adapters.sources.html import read_html

            return read_html(document)
        case "pdf":
            from tandem.adapters.sources.pdf import read_pdf

            return read_pdf(document, limits)
        case "docx":
            from tandem.adapters.sources.docx import read_docx

            return read_docx(document, limits)
        case "code" | "text":
            from tandem.adapters.sources.plain import read_plain

            return read_plain(document)
