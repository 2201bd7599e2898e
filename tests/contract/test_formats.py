"""What each format yields: text, tables with their headers, pages, and what the file says of itself."""

import json
from email.message import EmailMessage
from typing import Any

import pytest

from fakes.broken_files import docx
from fakes.office_files import CORE, archive, epub, ods, pptx, shape, slide_table, xlsx
from fakes.pdf_pages import pdf_page
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.reading import read
from tandem.domain.document import LoadedDocument, RawDocument
from tandem.ingestion.chunking import Chunker, outline

MARCH_1, MARCH_2 = 1709294400.0, 1709380800.0


def loaded(name: str, body: bytes | str, media_type: str | None = None) -> LoadedDocument:
    return read(RawDocument(name, body.encode() if isinstance(body, str) else body, "x", media_type), LoadLimits())


def chunks_of(document: LoadedDocument, tokens: int = 200) -> list[str]:
    """As they are cut; a token is a word or a sign."""
    chunker = Chunker(lambda text: len(text.replace("|", " | ").split()), tokens, 0)
    cut = chunker.chunks("a", document)
    assert [document.text[chunk.start : chunk.end] for chunk in cut] == [chunk.text for chunk in cut]
    return [chunk.text for chunk in cut]


def test_csv_rows_stand_below_their_header_in_every_chunk() -> None:
    rows = [f"Item {number},{number * 7},warehouse {number % 5}" for number in range(300)]
    document = loaded("stock.csv", "\n".join(["name,count,place", *rows]))
    assert document.media_type == "text/csv"
    cut = chunks_of(document)
    assert len(cut) > 10
    assert all(chunk.startswith("| name | count | place |\n| --- | --- | --- |\n| Item ") for chunk in cut)
    assert sum(chunk.count("| Item ") for chunk in cut) == 300
    assert all(len(line.split("|")) == 5 for chunk in cut for line in chunk.split("\n") if line)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.csv", "k;v\na;1,5\nb;2,5", "| k | v |\n| --- | --- |\n| a | 1,5 |\n| b | 2,5 |"),
        ("a.tsv", "k\tv\na, b\t1", "| k | v |\n| --- | --- |\n| a, b | 1 |"),
        ("a.csv", 'k,v\n"a ""x""\nb","c|d"', '| k | v |\n| --- | --- |\n| a "x" b | c\\|d |'),
        ("a.csv", "1,2\n3,4", "| A | B |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"),
        ("a.csv", "Report of March,\n,\nk,v\na,1", "Report of March\n\n| k | v |\n| --- | --- |\n| a | 1 |"),
        ("a.csv", "one\ntwo\nthree", "one\ntwo\nthree"),
        ("a.csv", "k,v\na", "| k | v |\n| --- | --- |\n| a |  |"),
    ],
)
def test_csv_dialects(name: str, text: str, wanted: str) -> None:
    assert loaded(name, text).text == wanted


def test_a_table_too_wide_for_its_header_names_each_cell() -> None:
    names = [f"a rather long name of column {number}" for number in range(20)]
    document = loaded("a.csv", ",".join(names) + "\n" + ",".join(map(str, range(20))) + "\n" + "x," * 19)
    assert f"{names[7]}: 7; {names[8]}: 8" in document.text
    assert document.text.endswith(f"{names[18]}: x")


def test_csv_in_an_old_encoding() -> None:
    assert (
        "| 髙橋淳 | 35 | 名古屋 |"
        in loaded("a.csv", "名前,年齢,住所\n佐藤太郎,30,東京\n髙橋淳,35,名古屋".encode("cp932")).text
    )


def test_sheets_of_a_workbook() -> None:
    rows: list[list[object]] = [
        ["Prices"],
        [],
        ["name", "price"],
        ["tea", 2.0],
        ["cake", 3.25],
        [],
        ["city", "mayor"],
        ["Oslo", "Bo"],
    ]
    document = loaded("a.xlsx", xlsx({"Shop": rows, "Empty": [], "Staff": [["who"], ["Ann"]]}))
    assert document.text == (
        "## Shop\n\nPrices\n\n| name | price |\n| --- | --- |\n| tea | 2 |\n| cake | 3.25 |\n\n"
        "| city | mayor |\n| --- | --- |\n| Oslo | Bo |\n\n## Staff\n\nwho\nAnn"
    )
    assert (document.title, document.author, document.tags) == ("The & Title", "Ann Lee", ("tides", "harbour", "sea"))
    assert (document.created_at, document.modified_at) == (MARCH_1, MARCH_2)
    assert [section.path for section in outline(document)][1:] == [("Shop",), ("Staff",)]


def test_a_workbook_of_opendocument() -> None:
    document = loaded("a", ods([["k", "v"], ["a", "b"]]))
    assert document.text == "## S\n\n| k | v |\n| --- | --- |\n| a | b |"
    assert document.media_type == "application/vnd.oasis.opendocument.spreadsheet"


def test_slides_are_pages() -> None:
    first = shape("High tides", "ctrTitle") + shape("one\ntwo") + shape("7", "sldNum")
    document = loaded("a.pptx", pptx(first, slide_table([["k", "v"], ["a", "1"]]), notes="Say it slowly."))
    assert document.text == (
        "## High tides\n\n- one\n- two\n\nNotes: Say it slowly.\n\n## Slide 2\n\n| k | v |\n| --- | --- |\n| a | 1 |"
    )
    assert (document.title, document.author) == ("High tides", "Ann Lee")
    assert [document.text[start:][:8] for start in document.pages] == ["## High ", "## Slide"]


def test_chapters_of_a_book() -> None:
    document = loaded("a.epub", epub("<h1>First</h1><p>Words <i>of</i> it.</p>", "<h1>Second</h1><p>More.</p>"))
    assert document.text == "# First\n\nWords *of* it.\n\n# Second\n\nMore."
    assert (document.title, document.author, document.language) == ("The Tides", "Ann Lee, Bo", "en")
    assert (document.created_at, document.tags) == (1588723200.0, ("sea",))


def test_records_become_a_table_or_sections() -> None:
    flat = "\n".join(json.dumps({"name": f"n{number}", "age": number}) for number in range(3))
    assert loaded("a.jsonl", flat).text == "| name | age |\n| --- | --- |\n| n0 | 0 |\n| n1 | 1 |\n| n2 | 2 |"
    nested: list[dict[str, Any]] = [
        {"id": 1, "title": "Tides", "by": {"name": "Ann", "tags": ["a", "b"]}, "text": "Long words. " * 30},
        {"id": 2, "title": "Winds", "at": [{"x": 1}, {"x": None}]},
    ]
    document = loaded("a.json", json.dumps(nested))
    assert "## Tides\n\nid: 1\nby.name: Ann\nby.tags: a, b\n\ntext:\n\nLong words." in document.text
    assert document.text.endswith("## Winds\n\nid: 2\nat[0].x: 1\nat[1].x: null")
    assert loaded("a.json", json.dumps({"total": 2, "items": nested})).text == document.text
    assert loaded("a.json", '{"key": [1, 2]}').text == '```json\n{"key": [1, 2]}\n```'
    assert '{"cut' in loaded("a.json", '[{"cut": 1}, {"off"').text


def test_feeds_have_a_section_an_entry_and_other_xml_stays() -> None:
    feed = (
        '<?xml version="1.0"?><rss version="2.0"><channel><title>The Blog</title><language>en-us</language>'
        "<lastBuildDate>Fri, 01 Mar 2024 12:00:00 GMT</lastBuildDate><item><title>Tides &amp; winds</title><author>Ann</author>"
        "<pubDate>Thu, 29 Feb 2024 12:00:00 GMT</pubDate><link>https://x.example/1</link>"
        "<description>&lt;p&gt;High &lt;b&gt;water&lt;/b&gt;.&lt;/p&gt;</description></item></channel></rss>"
    )
    document = loaded("a.xml", feed)
    assert (
        document.text
        == "## Tides & winds\n\nAnn, Thu, 29 Feb 2024 12:00:00 GMT, https://x.example/1\n\nHigh **water**."
    )
    assert (document.title, document.media_type, document.modified_at) == ("The Blog", "application/rss+xml", MARCH_1)
    atom = '<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><title>E</title><summary>Words</summary></entry></feed>'
    assert loaded("feed", atom, "application/atom+xml").text == "## E\n\nWords"
    assert loaded("a.xml", "<config><a>1</a></config>").text == "<config><a>1</a></config>"
    assert loaded("a.xml", "<config><a>1</config>").text == "<config><a>1</config>"


def test_mails_say_who_wrote_to_whom() -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Högwasser", "Ann Lee <ann@x.example>", "bo@x.example"
    message["Date"] = "Fri, 01 Mar 2024 13:00:00 +0100"
    message.set_content("Grüße vom Meer.\n")
    message.add_alternative("<p>HTML instead</p>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="tide table.pdf")
    document = loaded("a.eml", message.as_bytes())
    assert document.text == (
        "From: Ann Lee <ann@x.example>\nTo: bo@x.example\nDate: Fri, 01 Mar 2024 13:00:00 +0100\n\n"
        "Grüße vom Meer.\n\nAttachments: tide table.pdf"
    )
    assert (document.title, document.author, document.created_at) == ("Högwasser", "Ann Lee", MARCH_1)


def test_tracked_changes_are_accepted_and_equations_written_out() -> None:
    w, m = (
        "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "http://schemas.openxmlformats.org/officeDocument/2006/math",
    )
    xml = (
        f'<w:document xmlns:w="{w}" xmlns:m="{m}"><w:body><w:p><w:r><w:t>The tide is </w:t></w:r>'
        "<w:del><w:r><w:delText>low</w:delText></w:r></w:del><w:ins><w:r><w:t>high</w:t></w:r></w:ins><w:r><w:t>: </w:t></w:r>"
        "<m:oMath><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:rad><m:deg/><m:e><m:r><m:t>b</m:t></m:r></m:e></m:rad>"
        "</m:den></m:f></m:oMath><w:r><w:t> at noon</w:t></w:r></w:p></w:body></w:document>"
    )
    assert loaded("a.docx", docx(document=xml.encode())).text == r"The tide is high: $\frac{a}{\sqrt{b}}$ at noon"


def test_core_properties_of_a_docx() -> None:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(docx("Some words."))) as parts:
        body = archive({name: parts.read(name) for name in parts.namelist()} | {"docProps/core.xml": CORE})
    document = loaded("a.docx", body)
    assert (document.title, document.author, document.created_at) == ("The & Title", "Ann Lee", MARCH_1)


def test_front_matter_says_much_but_not_who_may_see_it() -> None:
    document = loaded(
        "a.md",
        "---\ntitle: T\nauthor: 'Ann Lee'\ndate: 2024-03-01T12:00:00Z\nupdated: 2024-03-02 12:00:00+00:00\nlang: de-AT\n"
        'tags:\n  - tides\n  - "high water"\nkeywords: [sea, tides]\nacl: [nobody]\n---\n\nWords.',
    )
    assert (document.author, document.created_at, document.modified_at) == ("Ann Lee", MARCH_1, MARCH_2)
    assert (document.language, document.tags) == ("de", ("tides", "high water", "sea"))
    assert not hasattr(document, "acl")


def test_the_head_of_a_page() -> None:
    head = (
        '<meta name="author" content="Ann Lee"><meta property="article:published_time" content="2024-03-01T12:00:00Z">'
        '<meta name="keywords" content="tides, sea"><script type="application/ld+json">{"@graph": [{"@type": "Article", '
        '"author": {"name": "Other"}, "dateModified": "2024-03-02T12:00:00Z"}]}</script>'
    )
    document = loaded("a.html", f"<html><head>{head}</head><body><p>Words</p></body></html>")
    assert (document.author, document.created_at, document.modified_at) == ("Ann Lee", MARCH_1, MARCH_2)
    assert document.tags == ("tides", "sea")
    broken = '<meta property="article:author" content="https://x.example/ann"><script type="application/ld+json">{"a": [</script>'
    assert loaded("a.html", f"<html><head>{broken}</head><body>Words</body></html>").author is None


def test_tables_of_a_page_keep_every_header() -> None:
    box = "<table><caption>Facts</caption><tr><th>Type</th><td>Public</td></tr><tr><th>Founded</th><td>1975</td></tr></table>"
    rows = "".join(f"<tr><td>Item {number}</td><td>{number}</td></tr>" for number in range(100))
    text = loaded("a.html", f"<p>Before</p>{box}<table><tr><th>k</th><th>v</th></tr>{rows}</table><p>After</p>").text
    assert text.startswith("Before\n\nFacts\n\nType: Public\nFounded: 1975\n\n| k | v |\n| --- | --- |\n| Item 0 | 0 |")
    assert text.count("| k | v |") > 3
    assert text.endswith("| Item 99 | 99 |\n\nAfter")


def test_tables_and_headings_of_a_pdf() -> None:
    rows = [["Name", "Count", "Place"], *([f"Item {number}", str(number), "Oslo"] for number in range(4))]
    body = pdf_page(
        [
            (20, 50, 700, "Tides of March"),
            (11, 50, 660, "The tides are counted every day, and written into the table below."),
        ]
        + [(11, 50 + 150 * at, 620 - 20 * line, cell) for line, row in enumerate(rows) for at, cell in enumerate(row)]
        + [(11, 50, 480, "What follows the table is a sentence again, as long as the one above it.")]
    )
    document = loaded("a.pdf", body)
    assert document.text == (
        "# Tides of March\n\nThe tides are counted every day, and written into the table below.\n\n"
        "| Name | Count | Place |\n| --- | --- | --- |\n"
        + "".join(f"| Item {number} | {number} | Oslo |\n" for number in range(4))
        + "\nWhat follows the table is a sentence again, as long as the one above it."
    )
    assert [section.path for section in outline(document)][1:] == [("Tides of March",)]


def test_two_columns_of_prose_are_no_table() -> None:
    left = "words of the left column that fill its whole width here"
    right = "and the words of the right column, just as many of them"
    lines = [(10, x, 700 - 14 * line, text) for x, text in ((50, left), (320, right)) for line in range(12)]
    text = loaded("a.pdf", pdf_page([(10.0, float(x), float(y), words) for _, x, y, words in lines])).text
    assert "|" not in text
    assert text.count("left column") == text.count("right column") == 12


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Die Anleitung beschreibt, wie man das Gerät einschaltet und wieder ausschaltet.", "de"),
        ("The guide describes how the device is switched on, and how it is switched off again.", "en"),
        ("Le guide décrit comment allumer l'appareil et comment l'éteindre à nouveau.", "fr"),
        ("この文書では、装置の電源を入れる方法と切る方法を説明します。", "ja"),
        ("12.5 13.7 1,234 99 % 2024-01-01 12:00", None),
        ("ok", None),
    ],
)
def test_the_language_is_told_from_the_text(text: str, language: str | None) -> None:
    assert loaded("a.txt", text).language == language


def test_code_has_no_language_of_its_own() -> None:
    assert (
        loaded("a.py", "def the_tide_is_high_and_the_words_are_english():\n    return 'The tide is high'\n").language
        is None
    )
