"""Every format becomes text, and whatever is broken or hostile becomes a typed refusal, at bounded cost."""

# ruff: noqa: ASYNC240 - nothing else runs on a test's loop

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.broken_files import docx, docx_bomb, docx_laughs, pdf
from tandem.adapters.sources.loader import FormatLoader, document_loader
from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected

_PAGE = """<!doctype html><html lang="en"><head><title>The  Page</title><style>p{}</style></head><body>
<nav><a href="/">Home</a></nav><script>alert(1)</script>
<main><h1>Install</h1><p>Set <code>max_tokens</code> to 5 &amp; <a href="https://x.example/">read on</a>.</p>
<ul><li>one<ul><li>two</li></ul></li></ul><table><tr><th>k</th><th>v</th></tr><tr><td>a</td><td>b</td></tr></table>
<pre><code class="language-py">def f():\n    return r"\\*"</code></pre></main><footer>© us</footer></body></html>"""


@pytest.fixture
async def loader() -> AsyncIterator[FormatLoader]:
    async with document_loader(workers=1) as opened:
        yield opened


async def _refused(loader: FormatLoader, name: str, body: bytes, media_type: str | None = None) -> DocumentRejected:
    with pytest.raises(DocumentRejected) as caught:
        await loader.load(RawDocument(name, body, name, media_type))
    return caught.value


async def _text(loader: FormatLoader, name: str, body: bytes, media_type: str | None = None) -> str:
    return (await loader.load(RawDocument(name, body, name, media_type))).text


async def test_markdown_gives_its_front_matter_for_a_title(loader: FormatLoader) -> None:
    body = b'---\ntitle: "The Guide"\nlang: en\ntags:\n  - a\n---\n\n# Other\n\nWords <!-- a note --> here.\n'
    loaded = await loader.load(RawDocument("a/guide.md", body, "x"))
    assert (loaded.title, loaded.language, loaded.media_type) == ("The Guide", "en", "text/markdown")
    assert loaded.text == "# Other\n\nWords  here."


async def test_titles_come_from_the_caller_the_text_or_the_name(loader: FormatLoader) -> None:
    async def title(name: str, body: bytes, given: str | None = None) -> str:
        return (await loader.load(RawDocument(name, body, "x", title=given))).title

    assert await title("a/b.md", b"# In *the* text\n\nx", " Given ") == "Given"
    assert await title("a/b.md", b"```\n# code\n```\n# In the text\n") == "In the text"
    assert await title("a/some-notes.txt", b"words") == "some-notes"
    assert await title("https://host/docs/page%20one.html?q=1", b"<p>words") == "page one"
    assert await title("https://host/", b"<html><p>words") == "host"


async def test_a_rule_at_the_top_is_no_front_matter(loader: FormatLoader) -> None:
    body = "---\n\nA sentence, not a key.\n\n---\n\nMore."
    assert await _text(loader, "a.md", body.encode()) == body


async def test_html_keeps_the_content_and_its_structure(loader: FormatLoader) -> None:
    loaded = await loader.load(RawDocument("page", _PAGE.encode(), "x", "text/html"))
    assert (loaded.title, loaded.language, loaded.media_type) == ("The Page", "en", "text/html")
    for wanted in ("# Install", "`max_tokens`", "5 & read on.", "two", "| a | b |", 'return r"\\*"', "```"):
        assert wanted in loaded.text
    for unwanted in ("alert", "Home", "©", "x.example", "{}", "max\\_"):
        assert unwanted not in loaded.text


async def test_lists_of_links_are_content_on_an_index_only(loader: FormatLoader) -> None:
    links = "".join(f"<li><a href='/{number}'>Page {number}</a></li>" for number in range(30))
    index = f"<h1>Index</h1><ul>{links}</ul>"
    assert "Page 7" in await _text(loader, "a.html", index.encode())
    assert "Page 7" not in await _text(loader, "a.html", f"{index}<p>{'Words of a page. ' * 60}".encode())


async def test_tables_are_not_padded(loader: FormatLoader) -> None:
    table = f"<table><tr><th>k</th><th>v</th></tr><tr><td>{'long ' * 9}</td><td>2</td></tr><tr><td>b</td><td>3</td></tr></table>"
    assert "| b | 3 |" in await _text(loader, "a.html", table.encode())


async def test_pdf_pages_are_told_apart(loader: FormatLoader) -> None:
    loaded = await loader.load(RawDocument("a.pdf", pdf("First page", "Second page", title="A report"), "x"))
    assert (loaded.title, loaded.media_type) == ("A report", "application/pdf")
    assert loaded.text == "First page\n\nSecond page"
    assert [loaded.text[start:][:6] for start in loaded.pages] == ["First ", "Second"]


async def test_docx_headings_survive(loader: FormatLoader) -> None:
    loaded = await loader.load(RawDocument("a.docx", docx("# Install", "Use snake_case *here*."), "x"))
    assert loaded.title == "Install"
    assert loaded.text == "# Install\n\nUse snake_case *here*."


async def test_code_keeps_its_indentation_and_its_language(loader: FormatLoader) -> None:
    loaded = await loader.load(RawDocument("a/b.py", b"def f():\n\treturn 1\r\n", "x"))
    assert (loaded.text, loaded.media_type) == ("def f():\n\treturn 1", "text/x-python")


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        ("Größe, naïve café".encode("latin-1"), None),
        ("Größe, naïve café".encode("latin-1"), "text/plain; charset=no-such"),
        ("Größe, naïve café".encode("utf-16"), None),
        ("Größe, naïve café".encode("utf-16-le"), None),
        ("Größe, naïve café".encode("utf-8-sig"), None),
        ("Größe, naïve café".encode("cp1252"), "text/plain; charset=windows-1252"),
    ],
)
async def test_encodings(loader: FormatLoader, body: bytes, media_type: str | None) -> None:
    assert await _text(loader, "a.txt", body, media_type) == "Größe, naïve café"


async def test_a_page_declares_its_charset_inside(loader: FormatLoader) -> None:
    body = '<html><head><meta charset="shift_jis"></head><body><p>日本語の文章</p></body></html>'.encode("shift_jis")
    assert await _text(loader, "a.html", body) == "日本語の文章"


async def test_a_stray_control_character_is_dropped(loader: FormatLoader) -> None:
    assert await _text(loader, "a.txt", b"word\x07 " + b"word " * 50 + b"end") == "word " * 51 + "end"


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("a.md", b"", "empty"),
        ("a.md", b" \n\t\n", "empty"),
        ("a.md", b"---\ntitle: only\n---\n", "empty"),
        ("a.html", b"<html><body><script>1</script></body></html>", "empty"),
        ("a.docx", docx(), "empty"),
        ("a.pdf", pdf("", ""), "no_text"),
        ("a.pdf", pdf("Some text")[:300], "damaged"),
        ("a.pdf", b"%PDF-1.7\n" + bytes(500), "damaged"),
        ("a.pdf", b"just words", "damaged"),
        ("a.pdf", pdf("Secret", encrypted=True), "encrypted"),
        ("a.docx", docx("Some words")[:200], "damaged"),
        ("a.docx", docx(document=b"<w:document><unclosed>"), "damaged"),
        ("a.docx", docx_laughs(), "damaged"),
        ("a.docx", docx_bomb(), "too_large"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "encrypted"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(50), "unsupported"),
        ("a.txt", b"\x89PNG\r\n\x1a\n" + bytes(50), "unsupported"),
        ("a", b"\x7fELF" + bytes(100), "unsupported"),
        ("a.txt", bytes(range(256)) * 20, "unsupported"),
        ("a.md", b"words\x00\x01\x02words" * 10, "unsupported"),
        ("a.xlsx", docx("x").replace(b"word/", b"xl__/"), "damaged"),
    ],
)  # fmt: skip
async def test_refusals(loader: FormatLoader, name: str, body: bytes, reason: str) -> None:
    refused = await _refused(loader, name, body)
    assert refused.reason == reason
    assert refused.message.endswith(".")
    assert await _text(loader, "next.txt", b"the next document is read") == "the next document is read"


async def test_nesting_as_deep_as_no_page(loader: FormatLoader) -> None:
    for tag, depth in (("blockquote", 20_000), ("b", 20_000), ("ul><li", 3_000)):
        opening = "".join(f"<{part}>" for part in tag.split("><"))
        assert "core" in await _text(loader, "a.html", (opening * depth + "core").encode())


async def test_too_large_before_and_after_reading() -> None:
    async with document_loader(max_document_bytes=100, max_text_chars=50, workers=1) as loader:
        assert (await _refused(loader, "a.txt", b"x" * 101)).reason == "too_large"
        assert (await _refused(loader, "a.txt", b"x" * 90)).reason == "too_large"
        assert await _text(loader, "a.txt", b"x" * 50)


async def test_one_that_takes_too_long_is_ended_and_the_next_is_read() -> None:
    async with document_loader(timeout_s=1.0, workers=1) as loader:
        assert (await _refused(loader, "a.md", b"<!--" * 200_000)).reason == "timeout"
        assert await _text(loader, "a.txt", b"words") == "words"


async def test_one_that_takes_too_much_memory_is_ended_and_the_next_is_read() -> None:
    async with document_loader(memory_mb=128, max_text_chars=200_000_000, workers=1) as loader:
        assert (await _refused(loader, "a.txt", b"words " * 5_000_000)).reason == "too_large"
        assert await _text(loader, "a.txt", b"words") == "words"


async def test_a_reader_that_dies_takes_one_document_with_it(loader: FormatLoader) -> None:
    assert await _text(loader, "a.txt", b"words")
    worker = loader._readers[0]._worker
    assert worker is not None
    loading = asyncio.create_task(_refused(loader, "a.md", b"<!--" * 1_000_000))
    await asyncio.sleep(0)
    worker.process.kill()
    assert (await loading).reason == "damaged"
    assert await _text(loader, "a.txt", b"words") == "words"


async def test_a_cancelled_load_leaves_no_process_busy(loader: FormatLoader) -> None:
    assert await _text(loader, "a.txt", b"words")
    loading = asyncio.create_task(_text(loader, "a.md", b"<!--" * 1_000_000))
    await asyncio.sleep(0.05)
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert await _text(loader, "b.txt", b"other words") == "other words"


async def test_nothing_of_the_environment_reaches_the_reader(
    loader: FormatLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_PREDICTOR__API_KEY", "secret")
    assert await _text(loader, "a.txt", b"words")
    worker = loader._readers[0]._worker
    assert worker is not None
    assert b"secret" not in Path(f"/proc/{worker.process.pid}/environ").read_bytes()


_SHARED = Path(__file__).parents[2].parent / "shared"
_EXPECTED = {
    "MEDRPT-2024-PAT-3847_medical_report_scan.pdf": "scanned",
}


@pytest.mark.skipif(not (_SHARED / "formats").is_dir(), reason="no ../shared/formats beside the repository")
async def test_documents_from_the_wild(loader: FormatLoader) -> None:
    for path in sorted((_SHARED / "formats").iterdir()):
        if path.name in _EXPECTED:
            assert (await _refused(loader, path.name, path.read_bytes())).reason == _EXPECTED[path.name]
        else:
            assert len(await _text(loader, path.name, path.read_bytes())) > 15, path.name
