"""A bucket of a real S3 server as a source, and a store in memory by the same way."""

import threading
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest
import s3fs
from werkzeug.serving import make_server

from tandem.adapters.sources.objects import ObjectSource
from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected, InvalidRequest
from tandem.ports.source import DocumentRef

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    files = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    if files.exists("library"):
        files.rm("library", recursive=True)
    files.mkdir("library")
    files.pipe("library/docs/a.md", b"# A", Metadata={"author": "Ann", "tags": "x, y", "acl": "staff"})
    files.pipe("library/docs/deep/b.md", b"# B")
    files.pipe("library/docs/logo.png", b"x")
    files.pipe("library/other.md", b"# O")
    return files


async def refs(url: str) -> dict[str, DocumentRef]:
    return {ref.id: ref for ref in (await ObjectSource(url).listing()).refs}


async def read(ref: DocumentRef) -> RawDocument:
    document = await ref.read()
    assert document is not None
    return document


async def test_a_prefix_is_listed_with_entity_tags_as_versions(bucket: Any) -> None:
    found = await refs("s3://library/docs/")
    assert sorted(found) == ["docs/a.md", "docs/deep/b.md"]
    assert sorted(await refs("s3://library")) == ["library/docs/a.md", "library/docs/deep/b.md", "library/other.md"]
    document = await read(found["docs/a.md"])
    assert (document.body, document.source, document.author, document.tags, document.acl) == (
        b"# A", "s3://library/docs/a.md", "Ann", ("x", "y"), ("staff",),
    )  # fmt: skip
    assert document.modified_at is not None
    assert document.version == found["docs/a.md"].version
    assert await found["docs/a.md"].read(unless=document.version) is None
    bucket.pipe("library/docs/a.md", b"# A, again")
    again = await refs("s3://library/docs")
    assert again["docs/a.md"].version != document.version
    assert again["docs/deep/b.md"].version == found["docs/deep/b.md"].version


async def test_one_object_gives_its_name(bucket: Any) -> None:
    listing = await ObjectSource("s3://library/docs/a.md").listing()
    assert [ref.id for ref in listing.refs] == ["a.md"]
    assert listing.origin is None


async def test_what_is_gone_or_too_large_fails_alone(bucket: Any) -> None:
    found = await refs("s3://library")
    bucket.rm("library/other.md")
    with pytest.raises(DocumentRejected) as caught:
        await found["library/other.md"].read()
    assert caught.value.reason == "unreadable"
    (large,) = (await ObjectSource("s3://library/docs/a.md", max_document_bytes=2).listing()).refs
    with pytest.raises(DocumentRejected, match="3 bytes"):
        await large.read()


async def test_what_is_not_there_says_so(bucket: Any) -> None:
    for url in ("s3://nowhere", "s3://library/nothing"):
        with pytest.raises(InvalidRequest, match=r"does not exist|cannot be listed"):
            await ObjectSource(url).listing()


async def test_any_store_of_fsspec_goes() -> None:
    files = fsspec.filesystem("memory")
    files.pipe("/shelf/a.md", b"# A")
    found = await refs("memory://shelf")
    first = await read(found["shelf/a.md"])
    assert (first.body, first.source) == (b"# A", "memory://shelf/a.md")
    files.pipe("/shelf/a.md", b"# B")
    assert (await refs("memory://shelf"))["shelf/a.md"].version != first.version
