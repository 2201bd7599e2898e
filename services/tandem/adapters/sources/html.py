"""HTML to Markdown, without what surrounds the content."""

import re
from collections.abc import Iterator

import htmd  # type: ignore[import-untyped]
from selectolax.lexbor import LexborHTMLParser, LexborNode

from tandem.adapters.sources.encodings import charset_of, clean, decode
from tandem.adapters.sources.formats import HTML_TYPE
from tandem.adapters.sources.html_tables import TakenTables
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.naming import tidy_title
from tandem.adapters.sources.page_head import page_properties
from tandem.domain.document import LoadedDocument, RawDocument

_NOT_CONTENT = (
    "script,style,noscript,template,nav,footer,aside,form,button,svg,iframe,canvas,dialog,select,textarea,object,img,picture,"
    "video,audio,[hidden],[aria-hidden=true],[role=navigation],[role=banner],[role=search],[role=contentinfo]"
)
# A link's address and a font say nothing to a reader of passages; the text inside stays.
_TRANSPARENT = ["a", "span", "font", "u", "small", "mark", "abbr"]
_INNERMOST_LISTS = "ul:not(:has(ul,ol)),ol:not(:has(ul,ol))"
_MANY_LINKS = 12
_SHORT_LINK = 25
_ALL_BUT = 0.9
_INDEX_SHARE = 0.4
_MAX_DEPTH = 200
_MAIN_SHARE = 0.4
_MOST_TABLE_CHARS = 10_000_000
_ESCAPED = re.compile(r"\\([\\_*\[\]])")
_TABLE_ROW = re.compile(r"^\|.*\|$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
_HEAD_BYTES = 4096


def read_html(document: RawDocument, _limits: LoadLimits) -> LoadedDocument:
    """The page's main content as Markdown, its title, the language it declares, and what its head says of it."""
    declared = charset_of(document.media_type) or charset_of(document.body[:_HEAD_BYTES].decode("latin-1"))
    tree = LexborHTMLParser(decode(document.body, declared))
    title = _page_title(tree)
    properties = page_properties(tree)
    return properties.on(LoadedDocument(title or "", html_to_markdown(tree), HTML_TYPE))


def html_to_markdown(tree: LexborHTMLParser) -> str:
    """Markdown of the content; nesting deeper than any honest page is read as bare text."""
    if tree.body is None:
        return ""
    for node in tree.css(_NOT_CONTENT):
        node.decompose()
    _drop_link_lists(tree.body)
    tree.unwrap_tags(_TRANSPARENT, delete_empty=True)
    content = _main(tree) or tree.body
    if too_deep(content):
        return clean(content.text(separator="\n", strip=True))
    tables = TakenTables(content, _MOST_TABLE_CHARS)
    return tidy_markdown(tables.put_back(tidy_markdown(htmd.convert_html(content.html or ""))))


def _drop_link_lists(body: LexborNode) -> None:
    """Lists of many short links and nothing else lead elsewhere; a page that is mostly such lists is an index and keeps them."""
    found = [node for node in body.css(_INNERMOST_LISTS) if _is_link_list(node)]
    if sum(len(node.text()) for node in found) < len(body.text()) * _INDEX_SHARE:
        for node in found:
            node.decompose()


def _is_link_list(node: LexborNode) -> bool:
    links = node.css("a")
    linked = sum(len(link.text(strip=True)) for link in links)
    words = len("".join(node.text().split()))
    return len(links) >= _MANY_LINKS and linked >= words * _ALL_BUT and linked <= len(links) * _SHORT_LINK


def tidy_markdown(markdown: str) -> str:
    """Without escapes that only a renderer needs (they would break words such as `max_tokens`) and runs of blank lines."""
    pieces = re.split(r"(^```.*?^```)", clean(markdown), flags=re.DOTALL | re.MULTILINE)
    pieces[::2] = [_TABLE_ROW.sub(_narrow, _ESCAPED.sub(r"\1", piece)) for piece in pieces[::2]]
    return _BLANK_LINES.sub("\n\n", "".join(pieces)).replace("\u200b", "").strip()


def _narrow(row: re.Match[str]) -> str:
    """A table's row without the padding that aligns its columns."""
    return re.sub(r"-{4,}", "---", re.sub(r" {2,}", " ", row.group()))


def too_deep(root: LexborNode) -> bool:
    """True past `_MAX_DEPTH` levels, measured without recursion."""
    return any(depth > _MAX_DEPTH for depth in _depths(root))


def _depths(root: LexborNode) -> Iterator[int]:
    waiting = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield depth
        waiting.extend((child, depth + 1) for child in node.iter())


def _main(tree: LexborHTMLParser) -> LexborNode | None:
    """The one element that says it is the content, when it holds enough of the page's text to be believed."""
    whole = len(tree.body.text()) if tree.body is not None else 0
    for selector in ("main", "[role=main]", "article"):
        nodes = tree.css(selector)
        if len(nodes) == 1 and len(nodes[0].text()) >= whole * _MAIN_SHARE:
            return nodes[0]
    return None


def _page_title(tree: LexborHTMLParser) -> str | None:
    for selector in ("title", "h1"):
        node = tree.css_first(selector)
        if node is not None and (title := tidy_title(node.text())) is not None:
            return title
    return None
