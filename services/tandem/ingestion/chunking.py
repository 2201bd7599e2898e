"""A document cut into chunks: along its structure, within a token budget, with a little overlap."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from tandem.domain.document import Chunk, LoadedDocument
from tandem.domain.errors import ConfigurationError
from tandem.ingestion.blocks import blocks, parts
from tandem.ingestion.outline import Section, code_outline, markdown_outline, prevailing_path

# Raise it when the same text is cut otherwise than before: collections are then built anew.
_VERSION = 2
# A tokenizer may take any unbroken run of letters for one unknown word; no chunk is longer than this per token.
_MAX_CHARS_PER_TOKEN = 12
# Counts kept while a document is cut: a piece is asked for by the splitter twice and once more as a chunk, and counting is
# most of the work. Far more than the pieces of one part, far less than a document.
_REMEMBERED = 512
_MARKDOWN_TYPES = frozenset(
    {
        "text/markdown",
        "text/html",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-excel",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/epub+zip",
        "application/json",
        "application/jsonl",
        "application/pdf",
        "application/rss+xml",
        "text/csv",
        "text/tab-separated-values",
    }
)
_CODE_PREFIX = "text/x-"

CountTokens = Callable[[str], int]
Structure = Literal["markdown", "code", "text"]


@dataclass(frozen=True, slots=True)
class Chunker:
    """`tokens` is the most a chunk may have, `overlap` what neighbours may share, both counted by `count_tokens`.

    `count_tokens` must be the embedder's, without special tokens and without truncation.
    """

    count_tokens: CountTokens
    tokens: int = 200
    overlap: int = 32

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.tokens:
            raise ConfigurationError(
                f"An overlap of {self.overlap} tokens does not fit chunks of {self.tokens}.",
                hint="Set ingestion.chunk_overlap below ingestion.chunk_tokens.",
            )

    @property
    def name(self) -> str:
        """Part of a collection's recipe."""
        return f"structure-{self.tokens}-{self.overlap}@{_VERSION}"

    def chunks(self, document_id: str, document: LoadedDocument) -> tuple[Chunk, ...]:
        """In order; together they hold every non-blank character. CPU-bound: keep it off the event loop."""
        sections = outline(document)
        count = lru_cache(_REMEMBERED)(self.count_tokens)
        return tuple(
            Chunk(
                document_id=document_id,
                ordinal=ordinal,
                text=text,
                title_path=_title_path(document.title, sections, start, start + len(text)),
                start=start,
                end=start + len(text),
                tokens=count(text),
                page=page_at(document.pages, start),
            )
            for ordinal, (start, text) in enumerate(self._pieces(document, sections, count))
        )

    def _pieces(
        self, document: LoadedDocument, sections: tuple[Section, ...], count: CountTokens
    ) -> Iterator[tuple[int, str]]:
        kind = MarkdownSplitter if structure(document) == "markdown" else TextSplitter
        splitter = kind.from_callback(partial(self._size, count), self.tokens, overlap=self.overlap)
        cuts = sections if structure(document) == "markdown" else ()
        for offset, block in blocks(document.text, sections):
            for within, part in parts(block, [section.start - offset for section in cuts]):
                for start, text in splitter.chunk_indices(part):
                    if text.strip():
                        yield offset + within + start, text

    def _size(self, count: CountTokens, text: str) -> int:
        by_length = -(-len(text) // _MAX_CHARS_PER_TOKEN)
        # The splitter tries pieces of any length, the whole document first: what cannot fit is not worth counting.
        return by_length if by_length > self.tokens else max(count(text), by_length)


def structure(document: LoadedDocument) -> Structure:
    """What the text's parts are told by: headings, definitions, or blank lines only."""
    if document.media_type in _MARKDOWN_TYPES:
        return "markdown"
    return "code" if document.media_type.startswith(_CODE_PREFIX) else "text"


def outline(document: LoadedDocument) -> tuple[Section, ...]:
    """The document's sections; one without a path for text that has none."""
    match structure(document):
        case "markdown":
            return markdown_outline(document.text)
        case "code":
            return code_outline(document.text)
        case "text":
            return (Section(0, ()),)


def page_at(pages: tuple[int, ...], offset: int) -> int | None:
    """The page, from 1, on which the character at `offset` stands; None when there are no pages."""
    return max(bisect_right(pages, offset), 1) if pages else None


def _title_path(title: str, sections: tuple[Section, ...], start: int, end: int) -> tuple[str, ...]:
    path = prevailing_path(sections, start, end)
    return path if path and path[0] == title else (title, *path)
