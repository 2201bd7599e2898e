"""Chunks: exact offsets, a kept budget, nothing lost, headings above each."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.adapters.scripted.embedder import HashingEmbedder
from tandem.domain.document import Chunk, LoadedDocument
from tandem.domain.errors import ConfigurationError
from tandem.ingestion.blocks import blocks
from tandem.ingestion.chunking import Chunker, page_at
from tandem.ingestion.context import contextual_text
from tandem.ingestion.outline import markdown_outline

COUNT = HashingEmbedder().count_tokens
_LINES = st.sampled_from(
    [
        "# Top", "## Part", "### Detail", "", "", "Some words of a sentence. Another sentence follows it, and it is longer.",
        "- item one", "  - nested item", "1. first", "```python", "def f(x):", "    return x", "```", "| a | b |", "| - | - |",
        "> quoted", "Underlined", "=======", "***", "日本語の文章です。", "🙂🙃 e\u0301 ﬁ", "x" * 300, "<div>html</div>", "\t", "class A:",
    ]
)  # fmt: skip
_TEXTS = st.one_of(
    st.lists(_LINES, max_size=60).map("\n".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=400),
)
_TYPES = st.sampled_from(["text/markdown", "text/plain", "text/x-python", "text/html", "application/pdf"])


def _cut(
    text: str, media_type: str = "text/markdown", tokens: int = 40, overlap: int = 8, title: str = "T"
) -> tuple[Chunk, ...]:
    return Chunker(COUNT, tokens, overlap).chunks("d", LoadedDocument(title, text, media_type))


@settings(max_examples=150, deadline=None)
@given(text=_TEXTS, media_type=_TYPES, tokens=st.integers(5, 60), share=st.floats(0, 0.9))
def test_cutting_keeps_its_promises(text: str, media_type: str, tokens: int, share: float) -> None:
    overlap = int(tokens * share)
    chunks = _cut(text, media_type, tokens, overlap)
    covered = [False] * len(text)
    for ordinal, chunk in enumerate(chunks):
        assert chunk.ordinal == ordinal
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text.strip()
        assert chunk.tokens == COUNT(chunk.text) <= tokens
        assert chunk.title_path[0] == "T"
        covered[chunk.start : chunk.end] = [True] * (chunk.end - chunk.start)
    assert not [c for c, seen in zip(text, covered, strict=True) if not seen and not c.isspace()]
    for left, right in pairwise(chunks):
        assert left.start < right.start
        assert left.end < right.end
        assert COUNT(text[right.start : left.end]) <= overlap


@given(text=_TEXTS, tokens=st.integers(5, 30), room=st.integers(0, 40))
def test_the_embedded_text_fits_and_holds_the_chunk(text: str, tokens: int, room: int) -> None:
    for chunk in _cut(text, tokens=tokens, overlap=0, title="A rather long title of a document"):
        embedded = contextual_text(chunk, COUNT, tokens + room)
        assert embedded.endswith(chunk.text)
        assert COUNT(embedded) <= tokens + room


def test_a_run_of_letters_that_a_tokenizer_takes_for_one_word_is_cut_too() -> None:
    chunks = _cut("x" * 100_000, "text/plain", tokens=100, overlap=0)
    assert max(len(chunk.text) for chunk in chunks) <= 1200


@pytest.mark.parametrize(
    "text",
    [
        "word " * 40_000,
        "x" * 200_000,
        "".join(f"## Heading {n}\n\nSome words.\n\n" for n in range(8_000)),
        "a\n" * 100_000,
    ],
)
def test_a_long_text_costs_time_in_proportion_to_its_length(text: str) -> None:
    counted = 0

    def count(piece: str) -> int:
        nonlocal counted
        counted += len(piece)
        return COUNT(piece)

    chunks = Chunker(count, 200, 32).chunks("d", LoadedDocument("T", text, "text/markdown"))
    assert counted < 60 * len(text)
    assert all(chunk.text == text[chunk.start : chunk.end] and chunk.tokens <= 200 for chunk in chunks)
    assert not any(text[left.end : right.start].strip() for left, right in pairwise(chunks))


def test_no_piece_is_counted_twice() -> None:
    counted: list[str] = []

    def count(piece: str) -> int:
        counted.append(piece)
        return COUNT(piece)

    text = "".join(f"## Heading {n}\n\n" + f"Words of section {n}. " * 30 + "\n\n" for n in range(30))
    chunks = Chunker(count, 200, 32).chunks("d", LoadedDocument("T", text, "text/markdown"))
    assert [chunk.tokens for chunk in chunks] == [COUNT(chunk.text) for chunk in chunks]
    assert len(counted) == len(set(counted))


def test_a_long_text_is_cut_before_its_headings() -> None:
    text = "".join(f"## Heading {n}\n\n" + "Some words of a section. " * 300 + "\n\n" for n in range(30))
    found = list(blocks(text, markdown_outline(text)))
    assert "".join(block for _, block in found) == text
    assert len(found) > 3
    assert all(block.startswith("## Heading") and text[start:].startswith(block) for start, block in found)


def test_headings_above_a_chunk_are_its_title_path() -> None:
    text = (
        "# Guide\n\nIntro words.\n\n## Install\n\n"
        + "Install it now. " * 12
        + "\n\n### On Linux\n\n"
        + "Use the package. " * 12
    )
    text += "\n\n## Run `it` [now](x.md) ##\n\n" + "Run it well. " * 12
    paths = {chunk.title_path for chunk in _cut(text, tokens=60, overlap=0, title="Guide")}
    assert ("Guide", "Install") in paths
    assert ("Guide", "Install", "On Linux") in paths
    assert ("Guide", "Run it now") in paths


def test_a_chunk_of_several_small_sections_stands_under_what_they_share() -> None:
    (chunk,) = _cut("# Guide\n\n## One\n\nfirst words here\n\n## Two\n\nsecond words here\n", tokens=100)
    assert chunk.title_path == ("T", "Guide")


def test_overlap_does_not_pull_a_chunk_under_the_section_before() -> None:
    text = "## One\n\n" + "first words here. " * 9 + "\n\n## Two\n\n" + "second words there. " * 9
    last = _cut(text, tokens=45, overlap=6)[-1]
    assert last.title_path == ("T", "Two")


def test_hashes_in_code_are_no_headings() -> None:
    text = "# Real\n\n```sh\n# comment\n```\n\nwords\n\n~~~\n# other\n```\n# still code\n~~~\n\nSetext\n------\n\nmore words"
    paths = {chunk.title_path for chunk in _cut(text, tokens=8, overlap=0)}
    assert {part for path in paths for part in path} == {"T", "Real", "Setext"}


def test_code_stands_under_its_definitions() -> None:
    body = "\n".join(f"        value_{n} = compute({n})" for n in range(12))
    text = f"import os\n\n\nclass Store:\n    def open(self):\n{body}\n\n    async def close(self):\n{body}\n\n\ndef main():\n{body}\n"
    paths = {chunk.title_path for chunk in _cut(text, "text/x-python", tokens=60, overlap=0, title="store")}
    assert ("store", "Store", "open") in paths
    assert ("store", "Store", "close") in paths
    assert ("store", "main") in paths


@pytest.mark.parametrize(("offset", "page"), [(0, 1), (9, 1), (10, 2), (29, 2), (30, 3), (99, 3)])
def test_pages_count_from_one(offset: int, page: int) -> None:
    assert page_at((0, 10, 30), offset) == page


def test_nothing_to_cut() -> None:
    assert _cut("") == ()
    assert _cut(" \n\t\n") == ()


def test_an_overlap_as_large_as_the_chunk_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="overlap"):
        Chunker(COUNT, 10, 10)


def test_own_source_is_cut_whole() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert {chunk.title_path[-1] for chunk in _cut(text, "text/x-python")} & {"test_own_source_is_cut_whole"}
