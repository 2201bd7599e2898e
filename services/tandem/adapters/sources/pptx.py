"""PPTX to Markdown: a page and a section per slide, with its tables, charts' figures and the speaker's notes."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from tandem.adapters.sources.archives import Archive
from tandem.adapters.sources.encodings import clean
from tandem.adapters.sources.formats import PPTX_TYPE
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.naming import tidy_title
from tandem.adapters.sources.properties import office_properties
from tandem.adapters.sources.tables import markdown_tables
from tandem.domain.document import LoadedDocument, RawDocument

_DECK = "ppt/presentation.xml"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_TITLES = frozenset({"title", "ctrTitle"})
# Dates, footers and slide numbers say nothing of a slide's own.
_FURNITURE = frozenset({"dt", "ftr", "sldNum", "hdr"})


def read_pptx(document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    """Shown slides in order. Raises `DocumentRejected`: `damaged`, `too_large`, `encrypted`."""
    archive = Archive(document.body, "PPTX", limits)
    slides = [_Slide(archive, name, limits.text_chars) for name in _slide_names(archive)]
    texts = [slide.markdown(number) for number, slide in enumerate(slides, 1) if not slide.hidden]
    starts, at = [], 0
    for text in texts:
        starts.append(at)
        at += len(text) + 2
    title = next((slide.title for slide in slides if slide.title), None)
    loaded = LoadedDocument(title or "", "\n\n".join(texts), PPTX_TYPE, pages=tuple(starts))
    # A deck's title property is most often its template's.
    return office_properties(archive).on(loaded)


def _slide_names(archive: Archive) -> list[str]:
    related = archive.relations(_DECK)
    ids = [each.get(f"{_R}id", "") for each in archive.xml(_DECK).iter(f"{_P}sldId")]
    return [related[each][1] for each in ids if each in related and related[each][1] in archive.names]


class _Slide:
    """One slide, read."""

    def __init__(self, archive: Archive, name: str, most_chars: int) -> None:
        self._archive = archive
        self._related = archive.relations(name)
        self._most_chars = most_chars
        root = archive.xml(name)
        self.hidden = root.get("show") == "0"
        self.title: str | None = None
        self._blocks = [block for block in self._content(root) if block.strip()]

    def markdown(self, number: int) -> str:
        """`## Title`, the shapes in their order, the notes."""
        heading = f"## {self.title}" if self.title else f"## Slide {number}"
        return clean("\n\n".join([heading, *self._blocks, *self._notes()]))

    def _content(self, root: Element) -> Iterator[str]:
        # Groups nest without end; iteration does not recurse.
        for shape in root.iter():
            if shape.tag == f"{_P}sp":
                yield from self._shape(shape)
            elif shape.tag == f"{_A}tbl":
                rows = ([_words(cell, " ") for cell in row.iter(f"{_A}tc")] for row in shape.iter(f"{_A}tr"))
                yield from markdown_tables(rows, self._most_chars)
            elif shape.tag == f"{_C}chart":
                yield from self._chart(shape.get(f"{_R}id", ""))

    def _shape(self, shape: Element) -> Iterator[str]:
        kind = next((each.get("type", "body") for each in shape.iter(f"{_P}ph")), None)
        if kind in _FURNITURE:
            return
        if kind in _TITLES and self.title is None:
            self.title = tidy_title(_words(shape, " "))
            return
        yield _paragraphs(shape, bullets=kind == "body")

    def _chart(self, relation: str) -> Iterator[str]:
        kind, name = self._related.get(relation, ("", ""))
        if kind != "chart" or name not in self._archive.names:
            return
        root = self._archive.xml(name)
        title = next(iter(root.iter(f"{_C}title")), None)
        if title is not None and (said := _words(title, " ")):
            yield f"Chart: {said}"
        series = list(root.iter(f"{_C}ser"))
        if series:
            labels = _points(series[0].find(f"{_C}cat"))
            columns = [_points(each.find(f"{_C}val")) for each in series]
            names = [" ".join(_points(each.find(f"{_C}tx")).values()) for each in series]
            marks = sorted({mark for column in [labels, *columns] for mark in column})
            rows = [[labels.get(mark, ""), *(column.get(mark, "") for column in columns)] for mark in marks]
            yield from markdown_tables([["Category", *names], *rows], self._most_chars)

    def _notes(self) -> Iterator[str]:
        for kind, name in self._related.values():
            if kind == "notesSlide" and name in self._archive.names:
                shapes = (
                    shape
                    for shape in self._archive.xml(name).iter(f"{_P}sp")
                    if any(each.get("type") == "body" for each in shape.iter(f"{_P}ph"))
                )
                if said := "\n\n".join(filter(None, (_paragraphs(shape, bullets=False) for shape in shapes))):
                    yield f"Notes: {said}"


def _points(cached: Element | None) -> dict[int, str]:
    """What a chart remembers of its sheet: index → value."""
    if cached is None:
        return {}
    found = {}
    for point in cached.iter(f"{_C}pt"):
        value = point.find(f"{_C}v")
        if value is not None and point.get("idx", "").isdecimal():
            found[int(point.get("idx", "0"))] = value.text or ""
    return found


def _paragraphs(shape: Element, *, bullets: bool) -> str:
    lines = []
    for paragraph in shape.iter(f"{_A}p"):
        words = _words(paragraph, "")
        if words:
            level = next((each.get("lvl", "0") for each in paragraph.iter(f"{_A}pPr")), "0")
            lines.append(f"{'  ' * int(level[:1])}- {words}" if bullets and level[:1].isdecimal() else words)
    return ("\n" if bullets else "\n\n").join(lines)


def _words(element: Element, joint: str) -> str:
    """The text of all runs; a line break is a space."""
    pieces = (
        (each.text or "") if each.tag == f"{_A}t" else (" " if each.tag == f"{_A}br" else joint)
        for each in element.iter()
        if each.tag in {f"{_A}t", f"{_A}br", f"{_A}p"}
    )
    return " ".join("".join(pieces).split())
