"""Where a document lies, and what the record takes from the caller and from the file."""

import pytest

from tandem.domain.document import LoadedDocument, RawDocument
from tandem.ingestion.labels import Labels, path_of, record_of


@pytest.mark.parametrize(
    ("document_id", "path"),
    [
        ("guide/install.md", "guide/install.md"),
        ("https://u:p@h.example:80/a/b%20c.html?x=1#y", "h.example/a/b%20c.html"),
        ("https://h.example/", "h.example/"),
        ("https://h.example", "h.example"),
        ("s3://bucket//a//b/", "bucket/a/b"),
    ],
)
def test_the_path_of_an_id(document_id: str, path: str) -> None:
    assert path_of(document_id) == path


def test_the_caller_wins_and_tags_come_together() -> None:
    loaded = LoadedDocument(
        "T", "text", "text/plain", "en", author="File", created_at=1.0, modified_at=2.0, tags=("b", "c")
    )
    given = RawDocument(
        "a", b"", "s", tags=("a", "b"), author="Caller", created_at=0.0, language="de", path="x/a", acl=("g", "g")
    )
    record = record_of(given, loaded, "f", 1, 9.0)
    assert (record.author, record.created_at, record.modified_at) == ("Caller", 0.0, 2.0)
    assert (record.language, record.tags, record.path, record.acl) == ("de", ("a", "b", "c"), "x/a", ("g",))
    plain = record_of(RawDocument("a", b"", "s"), loaded, "f", 1, 9.0)
    assert (plain.author, plain.created_at, plain.language, plain.tags) == ("File", 1.0, "en", ("b", "c"))
    assert (plain.path, plain.acl) == ("a", ())


def test_labels_are_added_to_what_the_source_says() -> None:
    document = Labels(("t",), ("g",), None).on(RawDocument("a", b"", "s", tags=("own",), author="Bo"))
    assert (document.tags, document.acl, document.author) == (("own", "t"), ("g",), "Bo")
