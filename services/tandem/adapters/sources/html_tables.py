"""Tables of a page, taken out before it is turned into Markdown and put back after: rows keep their headers, long ones repeat them."""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborNode

from tandem.adapters.sources.tables import markdown_tables

# A table around these lays out a page and is none.
_LAYOUT = "table,h1,h2,h3,h4,pre,blockquote,article,section"
_MOST_SPAN = 50
_MARK = re.compile(r"TANDEMTABLE\d{1,4}X")
_MOST_TABLES = 5_000


class TakenTables:
    """The tables of one page, each with the mark that stands for it meanwhile."""

    def __init__(self, content: LexborNode, most_chars: int) -> None:
        self._blocks: dict[str, str] = {}
        for number, table in enumerate(content.css("table")[:_MOST_TABLES]):
            rows = table.css("tr")
            if rows and table.css_first(_LAYOUT) in {None, table}:
                self._take(number, table, most_chars)

    def put_back(self, markdown: str) -> str:
        """The text with the tables where they stood."""
        return _MARK.sub(lambda found: f"\n\n{self._blocks.get(found.group(), '')}\n\n", markdown)

    def _take(self, number: int, table: LexborNode, most_chars: int) -> None:
        caption = table.css_first("caption")
        title = [] if caption is None else [_words(caption)]
        rows = table.css("tr")
        if all(map(_is_named, rows)):
            lines = (": ".join(filter(None, _cells(row))) for row in rows)
            blocks = [*filter(None, title), "\n".join(filter(None, lines))]
        else:
            blocks = [*filter(None, title), *markdown_tables((list(_cells(row)) for row in rows), most_chars)]
        mark = f"TANDEMTABLE{number}X"
        self._blocks[mark] = "\n\n".join(blocks)
        table.replace_with(f"\n{mark}\n")


def _is_named(row: LexborNode) -> bool:
    """One cell, or a name and its value."""
    tags = [cell.tag for cell in row.iter()]
    return len(tags) <= 1 or tags == ["th", "td"]


def _cells(row: LexborNode) -> Iterator[str]:
    for cell in row.iter():
        if cell.tag in {"td", "th"}:
            yield _words(cell)
            span = cell.attributes.get("colspan") or ""
            yield from [""] * (min(int(span), _MOST_SPAN) - 1 if span.isdecimal() else 0)


def _words(node: LexborNode) -> str:
    return " ".join(node.text(separator=" ").split())
