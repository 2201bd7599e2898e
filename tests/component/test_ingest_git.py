"""A Git repository as a source: what a commit holds, what changed since, who changed it."""

import threading
from pathlib import Path

import pytest
from dulwich import porcelain
from dulwich.repo import Repo
from dulwich.server import DictBackend, TCPGitServer

from tandem.adapters.sources.git import GitSource, parse_place
from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected, InvalidRequest
from tandem.ports.source import DocumentRef, Listing


def commit(
    folder: Path, files: dict[str, str | None], author: str = "Ann Lee <ann@example.org>", at_s: int = 1_000
) -> bytes:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text, encoding="utf-8")
    porcelain.add(str(folder), [str(folder / name) for name, text in files.items() if text is not None])
    gone = [str(folder / name) for name, text in files.items() if text is None]
    if gone:
        porcelain.remove(str(folder), gone, cached=True)
    return porcelain.commit(
        str(folder),
        message=b"words",
        author=author.encode(),
        committer=author.encode(),
        author_timestamp=at_s,
        commit_timestamp=at_s,
        author_timezone=0,
        commit_timezone=0,
    )


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    folder = tmp_path / "handbook"
    folder.mkdir()
    Repo.init(str(folder)).close()
    commit(folder, {"README.md": "# Read me", "docs/a.md": "# A", "docs/b.md": "# B", "logo.png": "x", ".ci/x.md": "x"})
    return folder


async def listed(place: str) -> Listing:
    return await GitSource(place).listing()


async def read(ref: DocumentRef) -> RawDocument:
    document = await ref.read()
    assert document is not None
    return document


def by_id(listing: Listing) -> dict[str, DocumentRef]:
    return {ref.id: ref for ref in listing.refs}


async def test_a_commit_is_listed_with_the_names_of_its_blobs_as_versions(handbook: Path) -> None:
    listing = await listed(f"git+{handbook}")
    refs = by_id(listing)
    assert sorted(refs) == ["handbook/README.md", "handbook/docs/a.md", "handbook/docs/b.md"]
    assert listing.skipped == {".png": 1}
    document = await read(refs["handbook/docs/a.md"])
    assert (document.body, document.source, document.author, document.modified_at) == (
        b"# A", "handbook/docs/a.md", "Ann Lee", 1_000.0,
    )  # fmt: skip
    assert document.version == refs["handbook/docs/a.md"].version
    assert await refs["handbook/docs/a.md"].read(unless=document.version) is None


async def test_only_what_changed_has_another_version(handbook: Path) -> None:
    before = by_id(await listed(f"git+{handbook}"))
    commit(handbook, {"docs/a.md": "# A, again"}, author="Bo Xu <bo@example.org>", at_s=2_000)
    after = by_id(await listed(f"git+{handbook}"))
    assert {name for name in after if after[name].version != before[name].version} == {"handbook/docs/a.md"}
    changed = await read(after["handbook/docs/a.md"])
    assert (changed.author, changed.modified_at) == ("Bo Xu", 2_000.0)
    assert (await read(after["handbook/docs/b.md"])).author == "Ann Lee"


async def test_a_branch_a_tag_a_commit_and_a_folder(handbook: Path) -> None:
    first = Repo(str(handbook)).head().decode()
    porcelain.tag_create(str(handbook), "v1")
    porcelain.branch_create(str(handbook), "topic/one")
    commit(handbook, {"docs/c.md": "# C"})
    for ref in (first, "v1", "topic/one"):
        assert len((await listed(f"git+{handbook}@{ref}")).refs) == 3
    assert sorted(by_id(await listed(f"git+{handbook}#docs/"))) == [
        "handbook/docs/a.md", "handbook/docs/b.md", "handbook/docs/c.md",
    ]  # fmt: skip
    assert (await listed(f"git+{handbook}@v1")).origin != (await listed(f"git+{handbook}")).origin


async def test_what_is_not_there_says_so(handbook: Path, tmp_path: Path) -> None:
    for place, words in {
        f"git+{handbook}@nowhere": "no branch, tag or commit 'nowhere'",
        f"git+{tmp_path}": "is no Git repository",
        f"git+{tmp_path}/gone": "is no Git repository|cannot be fetched",
        f"git+{handbook}#gone": "nothing in the folder",
        "git+https://127.0.0.1:1/o/r.git": "cannot be fetched",
        "git+https://": "names no repository",
    }.items():
        with pytest.raises(InvalidRequest, match=words):
            await listed(place)


async def test_what_is_too_large_fails_alone(handbook: Path) -> None:
    listing = await GitSource(f"git+{handbook}", max_document_bytes=4).listing()
    with pytest.raises(DocumentRejected) as caught:
        await by_id(listing)["handbook/README.md"].read()
    assert caught.value.reason == "too_large"


async def test_a_repository_elsewhere_is_fetched_and_put_away_again(handbook: Path) -> None:
    commit(handbook, {"docs/c.md": "# C"}, author="Bo Xu <bo@example.org>", at_s=2_000)
    repo = Repo(str(handbook))
    backend = DictBackend({b"/handbook": repo})  # type: ignore[arg-type]
    server = TCPGitServer(backend, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        source = GitSource(f"git+git://127.0.0.1:{server.server_address[1]}/handbook")
        document = await read(by_id(await source.listing())["handbook/docs/c.md"])
        await source.aclose()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        repo.close()
    assert (document.body, document.author) == (b"# C", "Bo Xu")
    assert document.source == f"git://127.0.0.1:{server.server_address[1]}/handbook:docs/c.md"


def test_a_password_is_not_shown() -> None:
    place = parse_place("git+https://me:secret@example.org/o/r.git@main#docs")
    assert place.url == "https://me:secret@example.org/o/r.git"
    assert place.shown == "git+https://example.org/o/r.git@main#docs"
    assert (place.ref, place.folder, place.name) == ("main", "docs", "r")
