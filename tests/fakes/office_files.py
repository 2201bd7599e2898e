"""Presentations, workbooks, books and mails made by hand: small whole ones, and what hostile ones are made of."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_A = "http://schemas.openxmlformats.org/drawingml/2006/main"
_P = "http://schemas.openxmlformats.org/presentationml/2006/main"
_S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
CORE = (
    '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">'
    "<dc:title>The  &amp; Title</dc:title><dc:creator>Ann Lee</dc:creator><cp:keywords>tides, harbour; sea</cp:keywords>"
    "<dcterms:created>2024-03-01T12:00:00Z</dcterms:created><dcterms:modified>2024-03-02T12:00:00Z</dcterms:modified>"
    "</cp:coreProperties>"
)


def laughs(root: str) -> str:
    """XML whose entities multiply without end."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return f'<?xml version="1.0"?><!DOCTYPE {root} [<!ENTITY l0 "ha">{entities}]><{root}>&l11;</{root}>'


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A ZIP of these parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return out.getvalue()


def xlsx(sheets: Mapping[str, Sequence[Sequence[object]]] | None = None, *, sheet_xml: str | None = None) -> bytes:
    """A workbook; `sheet_xml` stands for the one sheet's own."""
    rows = sheets if sheets is not None else {"Sheet1": [["x"]]}
    names = list(rows)
    listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(names, 1))
    files: dict[str, str | bytes] = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": _relations({"r1": ("officeDocument", "xl/workbook.xml")}),
        "docProps/core.xml": CORE,
        "xl/workbook.xml": f'<workbook xmlns="{_S}" xmlns:r="{_R}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relations(
            {f"r{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(names) + 1)}
        ),
    }
    for number, name in enumerate(names, 1):
        files[f"xl/worksheets/sheet{number}.xml"] = sheet_xml or sheet(rows[name])
    return archive(files)


def sheet(rows: Sequence[Sequence[object]]) -> str:
    """One sheet's XML: numbers as numbers, the rest as inline text."""
    lines = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
    return f'<worksheet xmlns="{_S}"><sheetData>{lines}</sheetData></worksheet>'


def ods(rows: Sequence[Sequence[str]]) -> bytes:
    """An OpenDocument workbook of one sheet."""
    spaces = "urn:oasis:names:tc:opendocument:xmlns"
    lines = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>' for cell in row
        )
        + "</table:table-row>"
        for row in rows
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        opened.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        opened.writestr(
            "META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="{spaces}:manifest:1.0"></manifest:manifest>'
        )
        opened.writestr(
            "content.xml",
            f'<office:document-content xmlns:office="{spaces}:office:1.0" xmlns:table="{spaces}:table:1.0" '
            f'xmlns:text="{spaces}:text:1.0"><office:body><office:spreadsheet><table:table table:name="S">{lines}'
            "</table:table></office:spreadsheet></office:body></office:document-content>",
        )
    return out.getvalue()


def pptx(*slides: str, notes: str | None = None) -> bytes:
    """A deck of slides given by the XML within `<p:spTree>`; `notes` are the first slide's."""
    ids = "".join(f'<p:sldId id="{255 + n}" r:id="s{n}"/>' for n in range(1, len(slides) + 1))
    files: dict[str, str | bytes] = {
        "docProps/core.xml": CORE,
        "ppt/presentation.xml": f'<p:presentation xmlns:p="{_P}" xmlns:r="{_R}"><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>',
        "ppt/_rels/presentation.xml.rels": _relations(
            {f"s{n}": ("slide", f"slides/slide{n}.xml") for n in range(1, len(slides) + 1)}
        ),
    }
    for number, content in enumerate(slides, 1):
        files[f"ppt/slides/slide{number}.xml"] = _slide("sld", content)
    if notes is not None:
        files["ppt/slides/_rels/slide1.xml.rels"] = _relations({"n": ("notesSlide", "../notesSlides/notes1.xml")})
        files["ppt/notesSlides/notes1.xml"] = _slide("notes", shape(notes, "body"))
    return archive(files)


def shape(text: str, kind: str = "body") -> str:
    """A shape; each line is a paragraph."""
    lines = "".join(f"<a:p><a:r><a:t>{escape(line)}</a:t></a:r></a:p>" for line in text.split("\n"))
    return f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:txBody>{lines}</p:txBody></p:sp>'


def slide_table(rows: Sequence[Sequence[str]]) -> str:
    """A table on a slide."""
    lines = "".join(
        f"<a:tr>{''.join(f'<a:tc><a:txBody><a:p><a:r><a:t>{cell}</a:t></a:r></a:p></a:txBody></a:tc>' for cell in row)}</a:tr>"
        for row in rows
    )
    return (
        f"<p:graphicFrame><a:graphic><a:graphicData><a:tbl>{lines}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
    )


def epub(*chapters: str, spine: str | None = None, package: str | None = None) -> bytes:
    """A book of XHTML bodies; `spine` stands for its own reading order."""
    items = "".join(
        f'<item id="c{n}" href="text/c%20{n}.xhtml" media-type="application/xhtml+xml"/>'
        for n in range(1, len(chapters) + 1)
    )
    order = spine or "".join(f'<itemref idref="c{n}"/>' for n in range(1, len(chapters) + 1))
    files: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        "OEBPS/book.opf": package
        or '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        "<dc:title>The Tides</dc:title><dc:creator>Ann Lee</dc:creator><dc:creator>Bo</dc:creator><dc:language>en-GB</dc:language>"
        "<dc:date>2020-05-06</dc:date><dc:subject>sea</dc:subject></metadata>"
        f"<manifest>{items}</manifest><spine>{order}</spine></package>",
    }
    for number, body in enumerate(chapters, 1):
        files[f"OEBPS/text/c {number}.xhtml"] = (
            f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{body}</body></html>'
        )
    return archive(files)


def _slide(tag: str, content: str) -> str:
    return f'<p:{tag} xmlns:p="{_P}" xmlns:a="{_A}" xmlns:r="{_R}"><p:cSld><p:spTree>{content}</p:spTree></p:cSld></p:{tag}>'


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="{name}" Type="{_R}/{kind}" Target="{target}"/>' for name, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}">{listed}</Relationships>'


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f"<c><v>{value}</v></c>"
    return f'<c t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'
