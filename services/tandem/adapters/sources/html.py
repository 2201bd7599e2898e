"""HTML to Markdown, without what surrounds the content."""

import re
from collections.abc import Iterator

import htmd  # type: ignore[import-untyped]
from selectolax.lexbor import LexborHTMLParser, LexborNode

from tandem.adapters.sources.encodings import charset_of, clean, decode
from tandem.adapters.sources.formats import HTML_TYPE
from tandem.adapters.sources.naming import tidy_title
from tandem.domain.document import LoadedDocument, RawDocument

_NOT_CONTENT = (
    "script,style,noscript,template,nav,footer,aside,form,button,svg,iframe,canvas,dialog,select,textarea,object,img,picture,"
    "video,audio,[hidden],[aria-hidden=true],[role=navigation],[role=banner],[role=search],[role=contentinfo]"
)
# A link's address and a font say nothing to a reader of passages; the text inside stays.
_TRANSPARENT = ["a", "span", "font", "u", "small", "mark", "abbr"]
_MAX_DEPTH = 200
_MAIN_SHARE = 0.4
_ESCAPED = re.compile(r"\\([_*\[\]])")
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
_HEAD_BYTES = 4096


def read_html(document: RawDocument) -> LoadedDocument:
    """The page's main content as Markdown, its title, and the language it declares."""
    declared = charset_of(document.media_type) or charset_of(document.body[:_HEAD_BYTES].decode("latin-1"))
    tree = LexborHTMLParser(decode(document.body, declared))
    title = _page_title(tree)
    language = tree.root.attributes.get("lang") if tree.root is not None else None
    return LoadedDocument(title or "", html_to_markdown(tree), HTML_TYPE, tidy_title(language))


def html_to_markdown(tree: LexborHTMLParser) -> str:
    """Markdown of the content; nesting deeper than any honest page is read as bare text."""
    if tree.body is None:
        return ""
    for node in tree.css(_NOT_CONTENT):
        node.decompose()
    tree.unwrap_tags(_TRANSPARENT, delete_empty=True)
    content = _main(tree) or tree.body
    if too_deep(content):
        return clean(content.text(separator="\n", strip=True))
    return tidy_markdown(htmd.convert_html(content.html or ""))


def tidy_markdown(markdown: str) -> str:
    """Without escapes that only a renderer needs (they would break words such as `max_tokens`) and runs of blank lines."""
    pieces = re.split(r"(^```.*?^```)", clean(markdown), flags=re.DOTALL | re.MULTILINE)
    pieces[::2] = [_ESCAPED.sub(r"\1", piece) for piece in pieces[::2]]
    return _BLANK_LINES.sub("\n\n", "".join(pieces)).replace("\u200b", "").strip()


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
