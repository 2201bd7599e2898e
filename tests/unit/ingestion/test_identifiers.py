"""Which document ids are taken, and what is said about the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.domain.errors import InvalidRequest
from tandem.ingestion.identifiers import MAX_ID_CHARS, check_document_id


@pytest.mark.parametrize(
    "document_id",
    [
        "a",
        "guide/install.md",
        "docs/größe/日本語.txt",
        "https://host/a?b=c#d",
        "a b.txt",
        "...",
        "a//b",
        ".hidden",
        "a/",
    ],
)
def test_takes_paths_urls_and_names(document_id: str) -> None:
    assert check_document_id(document_id) == document_id


@pytest.mark.parametrize(
    ("document_id", "said"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("/etc/passwd", "slash"),
        ("../secret", ".."),
        ("a/../../b", ".."),
        ("a/./b", "segment"),
        ("..", "segment"),
        ("a\\b", "backslash"),
        ("a\x00b", "control"),
        ("a\nb", "control"),
        ("a\u202eb", "control"),
        ("\ud800", "control"),
        (" a", "space"),
        ("a" * (MAX_ID_CHARS + 1), "longer"),
    ],
)
def test_refuses_with_the_parameter_at_fault(document_id: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        check_document_id(document_id, param="documents.0.id")
    assert caught.value.param == "documents.0.id"
    assert caught.value.hint


@given(st.text(max_size=40))
def test_what_is_taken_never_climbs(document_id: str) -> None:
    try:
        taken = check_document_id(document_id)
    except InvalidRequest:
        return
    assert taken == document_id
    assert ".." not in taken.split("/")
    assert taken.encode()
