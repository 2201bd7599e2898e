"""Files made to take a reader down: each is refused by itself, at bounded cost, and the next document is read."""

import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from fakes.broken_files import assembled, docx
from fakes.office_files import archive, epub, laughs, pptx, shape, sheet, xlsx
from tandem.adapters.sources.loader import FormatLoader, document_loader
from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected

_S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


def bomb(name: str, body: bytes, megabytes: int = 80) -> bytes:
    """The archive with one part that unfolds to so much."""
    with zipfile.ZipFile(io.BytesIO(body)) as parts:
        files: dict[str, str | bytes] = {each: parts.read(each) for each in parts.namelist()}
    return archive(files | {name: b" " * (megabytes * 1_000_000)})


def lying(body: bytes, name: str) -> bytes:
    """The archive whose directory says that a part has ten bytes."""
    with zipfile.ZipFile(io.BytesIO(body)) as parts:
        size = parts.getinfo(name).file_size
    return body.replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little"))


def far_corners() -> str:
    cells = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    return f'<worksheet xmlns="{_S}"><sheetData>{cells}</sheetData></worksheet>'


def cyclic_pdf() -> bytes:
    """A tree of pages that is its own child."""
    return assembled(
        [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 1000000 >>"], "/Root 1 0 R"
    )


def lying_pdf() -> bytes:
    """A page whose content says that it is far longer than the file."""
    return assembled(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>",
            b"<< /Length 99999999999 >>\nstream\nBT (x) Tj ET\nendstream",
        ],
        "/Root 1 0 R",
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def loader() -> AsyncIterator[FormatLoader]:
    async with document_loader(workers=1, timeout_s=20.0, max_text_chars=2_000_000) as opened:
        yield opened


async def outcome(loader: FormatLoader, name: str, body: bytes) -> str:
    """`read`, or the reason of the refusal."""
    try:
        await loader.load(RawDocument(name, body, name))
    except DocumentRejected as error:
        return error.reason
    return "read"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("a.xlsx", lambda: bomb("xl/worksheets/sheet1.xml", xlsx()), "too_large"),
        ("a.pptx", lambda: bomb("ppt/slides/slide1.xml", pptx(shape("x"))), "too_large"),
        ("a.epub", lambda: bomb("OEBPS/text/c 1.xhtml", epub("<p>x</p>")), "too_large"),
        ("a.pptx", lambda: lying(pptx(shape("x " * 90_000)), "ppt/slides/slide1.xml"), "damaged"),
        ("a.epub", lambda: lying(epub("x " * 90_000), "OEBPS/text/c 1.xhtml"), "damaged"),
        ("a.docx", lambda: lying(docx("x " * 90_000), "word/document.xml"), "damaged"),
        ("a.xlsx", lambda: xlsx(sheet_xml=far_corners()), "damaged"),
        ("a.xlsx", lambda: xlsx({"S": [["k", "v"], *([number, "word"] for number in range(200_000))]}), "too_large"),
        ("a.xlsx", lambda: xlsx(sheet_xml=sheet([["x"]])[:-40]), "damaged"),
        ("a.xlsx", lambda: xlsx(sheet_xml=laughs("worksheet")), "empty"),
        ("a.xlsx", lambda: xlsx()[:-30], "damaged"),
        ("a.xls", lambda: _OLE, "damaged"),
        ("a.xls", lambda: _OLE + "Workbook".encode("utf-16-le") + bytes(3_000), "damaged"),
        ("a.msg", lambda: _OLE + "__properties_version1.0".encode("utf-16-le") + bytes(3_000), "damaged"),
        ("a.docx", lambda: _OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        ("a.xlsx", lambda: _OLE + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        ("a.doc", lambda: _OLE + "WordDocument".encode("utf-16-le"), "unsupported"),
        ("a.pptx", lambda: archive({"ppt/presentation.xml": laughs("presentation")}), "damaged"),
        ("a.pptx", lambda: pptx("<p:grpSp>" * 60_000 + shape("core") + "</p:grpSp>" * 60_000), "read"),
        ("a.pptx", lambda: archive({"ppt/presentation.xml": "<p/>"}), "empty"),
        ("a.epub", lambda: archive({"META-INF/container.xml": laughs("container")}), "damaged"),
        ("a.epub", lambda: epub("<p>words</p>", package="<package/>"), "empty"),
        ("a.epub", lambda: epub("<p>words</p>", spine='<itemref idref="c1"/>' * 100_000), "read"),
        ("a.epub", lambda: epub("<div>" * 20_000 + "core"), "read"),
        ("a.rss", lambda: laughs("rss").encode(), "read"),
        ("a.json", lambda: b"[" * 1_000_000, "read"),
        ("a.json", lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "read"),
        ("a.json", lambda: json.dumps([{"n": int("9" * 4_000)}] * 2).encode(), "read"),
        ("a.jsonl", lambda: b'{"a": 1}\n' * 10 + b'{"a": \n', "read"),
        ("a.csv", lambda: b"," * 1_000_000, "empty"),
        ("a.csv", lambda: b"x," * 900_000 + b"\n1,2", "read"),
        ("a.csv", lambda: b'"' + b"x,\n" * 500_000, "read"),
        ("a.csv", lambda: b"k,v\n" + b"1,2\n" * 700_000, "too_large"),
        ("a.html", lambda: b"<table>" + b"<tr><td colspan=999999999>x" * 20_000, "read"),
        ("a.html", lambda: b"<table><tr><td>" * 3_000 + b"core", "read"),
        ("a.eml", lambda: b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3_000)), "damaged"),
        ("a.eml", lambda: b"Subject: =?utf-8?b?////?=\nDate: nonsense\nContent-Type: text/plain; charset=no-such\n\nwords", "read"),
        ("a.md", lambda: b"---\ntags: [" + b"a," * 500_000 + b"]\n---\nwords", "read"),
        ("a.pdf", cyclic_pdf, "damaged"),
        ("a.pdf", lying_pdf, "no_text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
async def test_a_hostile_file_fails_alone(
    loader: FormatLoader, name: str, body: Callable[[], bytes], expected: str
) -> None:
    assert await outcome(loader, name, body()) == expected
    assert await outcome(loader, "next.txt", b"the next document is read") == "read"
