"""What a document is: by its first bytes, then by what was declared, then by its name, then by how it looks."""

from pathlib import PurePosixPath
from typing import Literal, NoReturn
from urllib.parse import urlsplit

from tandem.domain.errors import DocumentRejected

Format = Literal[
    "markdown",
    "html",
    "pdf",
    "docx",
    "pptx",
    "spreadsheet",
    "epub",
    "csv",
    "records",
    "xml",
    "eml",
    "msg",
    "code",
    "text",
]

MARKDOWN_TYPE = "text/markdown"
HTML_TYPE = "text/html"
PDF_TYPE = "application/pdf"
DOCX_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLS_TYPE = "application/vnd.ms-excel"
ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"
EPUB_TYPE = "application/epub+zip"
CSV_TYPE = "text/csv"
TSV_TYPE = "text/tab-separated-values"
JSON_TYPE = "application/json"
JSONL_TYPE = "application/jsonl"
RSS_TYPE = "application/rss+xml"
EML_TYPE = "message/rfc822"
MSG_TYPE = "application/vnd.ms-outlook"
TEXT_TYPE = "text/plain"

# What clients send when nobody told them what it is.
_UNTOLD = frozenset(
    {"", "application/octet-stream", "application/x-www-form-urlencoded", TEXT_TYPE, "binary/octet-stream"}
)

_BY_TYPE: dict[str, Format] = {
    MARKDOWN_TYPE: "markdown",
    "text/x-markdown": "markdown",
    HTML_TYPE: "html",
    "application/xhtml+xml": "html",
    PDF_TYPE: "pdf",
    DOCX_TYPE: "docx",
    PPTX_TYPE: "pptx",
    XLSX_TYPE: "spreadsheet",
    XLS_TYPE: "spreadsheet",
    ODS_TYPE: "spreadsheet",
    EPUB_TYPE: "epub",
    CSV_TYPE: "csv",
    TSV_TYPE: "csv",
    JSON_TYPE: "records",
    JSONL_TYPE: "records",
    "application/x-ndjson": "records",
    RSS_TYPE: "xml",
    "application/atom+xml": "xml",
    "application/xml": "xml",
    "text/xml": "xml",
    EML_TYPE: "eml",
    MSG_TYPE: "msg",
}
_BY_SUFFIX: dict[str, Format] = {
    ".md": "markdown",
    ".mdx": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx", ".pptx": "pptx", ".ppsx": "pptx",
    ".xlsx": "spreadsheet", ".xlsm": "spreadsheet", ".xlsb": "spreadsheet", ".xls": "spreadsheet", ".ods": "spreadsheet",
    ".epub": "epub", ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".json": "records", ".jsonl": "records", ".ndjson": "records",
    ".xml": "xml", ".rss": "xml", ".atom": "xml", ".eml": "eml", ".msg": "msg",
}  # fmt: skip
# Suffix → the subtype after `text/x-`; the chunker knows code by that prefix.
_CODE = {
    ".bash": "shellscript", ".c": "c", ".cc": "c++", ".clj": "clojure", ".cpp": "c++", ".cs": "csharp", ".dart": "dart",
    ".ex": "elixir", ".erl": "erlang", ".fs": "fsharp", ".go": "go", ".groovy": "groovy", ".h": "c", ".hpp": "c++",
    ".hs": "haskell", ".java": "java", ".jl": "julia", ".js": "javascript", ".jsx": "javascript", ".kt": "kotlin",
    ".lua": "lua", ".m": "objective-c", ".mjs": "javascript", ".ml": "ocaml", ".php": "php", ".pl": "perl",
    ".proto": "protobuf", ".ps1": "powershell", ".py": "python", ".pyi": "python", ".r": "r", ".rb": "ruby",
    ".rs": "rust", ".scala": "scala", ".sh": "shellscript", ".sql": "sql", ".swift": "swift", ".tf": "terraform",
    ".ts": "typescript", ".tsx": "typescript", ".vue": "vue", ".zig": "zig",
}  # fmt: skip
_TEXT_TYPES = {
    ".yaml": "application/yaml", ".yml": "application/yaml", ".toml": "application/toml", ".xml": "application/xml",
    ".rss": "application/xml", ".atom": "application/xml", ".tex": "text/x-tex",
}  # fmt: skip

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BINARY = (
    (b"\x89PNG", "a PNG image"), (b"\xff\xd8\xff", "a JPEG image"), (b"GIF8", "a GIF image"), (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"), (b"\x1f\x8b", "a gzip archive"), (b"BZh", "a bzip2 archive"), (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf", "a 7z archive"), (b"Rar!", "a RAR archive"), (b"\x28\xb5\x2f\xfd", "a zstd archive"), (b"\x7fELF", "a program"),
    (b"OggS", "an audio file"), (b"ID3", "an audio file"), (b"fLaC", "an audio file"), (b"RIFF", "an audio, video or image file"),
    (b"SQLite format 3\x00", "a database"), (b"\x00asm", "a program"), (b"\xca\xfe\xba\xbe", "a program"), (b"PAR1", "a Parquet table"),
    (b"GGUF", "model weights"), (b"wOFF", "a font"), (b"wOF2", "a font"), (b"\x00\x01\x00\x00\x00", "a font"),
)  # fmt: skip
# Formats that no text can be taken for: what is named so and is something else is damaged.
_BINARY_FORMATS = frozenset({"pdf", "docx", "pptx", "spreadsheet", "epub", "msg"})
# Parts that tell what an archive is.
_PARTS: tuple[tuple[bytes, Format], ...] = (
    (b"word/document", "docx"), (b"ppt/presentation", "pptx"), (b"xl/workbook", "spreadsheet"),
    (b"META-INF/container.xml", "epub"),
)  # fmt: skip
_ODS_MARK = b"mimetype" + ODS_TYPE.encode()
# Names of streams in an old Office file, as they are written there.
_STREAMS: tuple[tuple[str, Format | None], ...] = (
    ("EncryptedPackage", None), ("__properties_version1.0", "msg"), ("Workbook", "spreadsheet"), ("Book", "spreadsheet"),
)  # fmt: skip
READABLE = (
    "Markdown, text, HTML, PDF, DOCX, PPTX, spreadsheets, CSV, EPUB, JSON, feeds, mails and source code can be read."
)


def suffix_of(document_id: str) -> str:
    """`.md` of a path or URL, in lower case; empty when there is none."""
    path = urlsplit(document_id).path if "://" in document_id else document_id
    return PurePosixPath(path).suffix.lower()


def declared_type(media_type: str | None) -> str:
    """The bare media type in lower case, without parameters; empty when none was given."""
    return (media_type or "").partition(";")[0].strip().lower()


def detect(document_id: str, media_type: str | None, body: bytes) -> Format:
    """The format to read the body as. Raises `DocumentRejected` for an empty body and for what is known to be no text."""
    if not body:
        raise DocumentRejected("The document is empty (0 bytes).", reason="empty")
    told: Format | None = _BY_TYPE.get(declared_type(media_type)) or _BY_SUFFIX.get(suffix_of(document_id))
    if b"%PDF-" in body[:1024] and told in {None, "pdf"}:
        return "pdf"
    if body.startswith((_ZIP, _OLE)):
        return _container(told, body)
    for magic, what in _BINARY:
        if body.startswith(magic):
            reject_binary(f"This is {what}")
    if told in _BINARY_FORMATS:
        raise DocumentRejected(f"The document is named {told.upper()}, but its content is not.", reason="damaged")
    return told or _textual(document_id, body)


def is_archive(body: bytes) -> bool:
    """True for a ZIP file."""
    return body.startswith(_ZIP)


def text_media_type(document_id: str, media_type: str | None) -> str:
    """The media type to remember for plain text and code: what was declared, else what the name says."""
    declared = declared_type(media_type)
    if declared not in _UNTOLD:
        return declared
    suffix = suffix_of(document_id)
    if suffix in _CODE:
        return f"text/x-{_CODE[suffix]}"
    return _TEXT_TYPES.get(suffix, TEXT_TYPE)


def reject_binary(what: str) -> NoReturn:
    """Raise the refusal of something that is not text."""
    raise DocumentRejected(f"{what}, which holds no text that Tandem can read.", reason="unsupported", hint=READABLE)


def _container(told: Format | None, body: bytes) -> Format:
    found = _of_streams(told, body) if body.startswith(_OLE) else _of_parts(body)
    if found is not None:
        return found
    if told in _BINARY_FORMATS:
        raise DocumentRejected(f"The {told.upper()} file is damaged: it holds no document.", reason="damaged")
    reject_binary("This is an archive or an Office file of another kind")


def _of_parts(body: bytes) -> Format | None:
    if _ODS_MARK in body[:200]:
        return "spreadsheet"
    return next((kind for part, kind in _PARTS if part in body), None)


def _of_streams(told: Format | None, body: bytes) -> Format | None:
    held = next(((True, kind) for stream, kind in _STREAMS if stream.encode("utf-16-le") in body), (False, None))
    if held[1] is not None:
        return held[1]
    if not held[0] and told in {"spreadsheet", "msg"}:
        return None
    if not held[0] and told not in {"docx", "pptx"}:
        reject_binary("This is an old Office file")
    raise DocumentRejected(
        "The document is protected by a password.", reason="encrypted", hint="Save a copy without a password."
    )


def _textual(document_id: str, body: bytes) -> Format:
    suffix = suffix_of(document_id)
    if suffix in _CODE:
        return "code"
    head = body[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if suffix not in _TEXT_TYPES and suffix != ".txt" and head.startswith((b"<!doctype html", b"<html")):
        return "html"
    return "text"
