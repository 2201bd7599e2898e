"""CSV and TSV to Markdown tables."""

import csv
import io
from collections.abc import Iterator

from tandem.adapters.sources.encodings import charset_of, decode
from tandem.adapters.sources.formats import CSV_TYPE, TSV_TYPE, declared_type, suffix_of
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.tables import markdown_tables
from tandem.domain.document import LoadedDocument, RawDocument

_SAMPLE = 64 * 1024
_DELIMITERS = ",;\t|"


def read_csv(document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    """Rows by whatever separates them; what is no table stays as it is. Raises `DocumentRejected`."""
    text = decode(document.body, charset_of(document.media_type)).strip("\n")
    tabs = suffix_of(document.id) in {".tsv", ".tab"} or declared_type(document.media_type) == TSV_TYPE
    media_type = TSV_TYPE if tabs else CSV_TYPE
    return LoadedDocument("", "\n\n".join(markdown_tables(_rows(text, tabs=tabs), limits.text_chars)), media_type)


def _rows(text: str, *, tabs: bool) -> Iterator[list[str]]:
    # A field may be as long as the document is allowed to be.
    csv.field_size_limit(max(131_072, len(text)))
    lines = io.StringIO(text, newline="")
    try:
        yield from csv.reader(lines, delimiter="\t" if tabs else _delimiter(text))
    except csv.Error:
        yield from ([line] for line in lines)


def _delimiter(text: str) -> str:
    """What divides the first lines most evenly; a comma when nothing does."""
    sample = text[:_SAMPLE].split("\n")[:50]
    lines = [line for line in sample if line.strip()] or [""]

    def evenness(mark: str) -> tuple[float, int]:
        counts = [line.count(mark) for line in lines]
        usual = max(set(counts), key=counts.count)
        return (counts.count(usual) / len(counts) if usual else 0.0, usual)

    return max(_DELIMITERS, key=evenness)
