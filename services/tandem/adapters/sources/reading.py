"""One document, read: the format is told, its reader loaded, its result held to the rules."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

from tandem.adapters.sources.formats import Format, detect
from tandem.adapters.sources.languages import language_of
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.naming import tidy_title, title_from_id
from tandem.domain.document import LoadedDocument, RawDocument
from tandem.domain.errors import DocumentRejected

_CODE = "text/x-"


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
    return replace(loaded, title=title, language=_language(loaded))


def _language(loaded: LoadedDocument) -> str | None:
    """What the document declares, unless its text is surely in another: templates declare the language of their makers."""
    return loaded.language if loaded.media_type.startswith(_CODE) else language_of(loaded.text) or loaded.language


def _by_format(kind: Format, document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    # Each reader's library is loaded when its first document comes.
    module, name = _READERS[kind]
    reader: ReadsFormat = getattr(import_module(f"tandem.adapters.sources.{module}"), name)
    return reader(document, limits)


ReadsFormat = Callable[[RawDocument, LoadLimits], LoadedDocument]
_READERS: dict[Format, tuple[str, str]] = {
    "markdown": ("markdown", "read_markdown"),
    "html": ("html", "read_html"),
    "pdf": ("pdf", "read_pdf"),
    "docx": ("docx", "read_docx"),
    "pptx": ("pptx", "read_pptx"),
    "spreadsheet": ("spreadsheet", "read_spreadsheet"),
    "epub": ("epub", "read_epub"),
    "csv": ("csv_table", "read_csv"),
    "records": ("records", "read_records"),
    "xml": ("feed", "read_xml"),
    "eml": ("mail", "read_eml"),
    "msg": ("mail", "read_msg"),
    "code": ("plain", "read_plain"),
    "text": ("plain", "read_plain"),
}
