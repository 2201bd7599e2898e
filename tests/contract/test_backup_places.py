"""Where backups lie: a folder and a bucket keep the same promises; nothing half-written looks like a whole one."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.wrappers import Request, Response

from contract.test_backup import NOW, Fixed, backed_up, pieces, untold
from fakes.object_store import aws_variables, object_store, served
from tandem.adapters.backup import bucket
from tandem.adapters.backup.archive import read_through, restored
from tandem.adapters.backup.file import sweep, whole_file
from tandem.adapters.backup.places import Place, dated, newest, place_of, prune
from tandem.domain.errors import ConfigurationError, PermissionDenied, TandemError, UpstreamUnavailable
from tandem.ports.backup import Member

PART = 5 * 2**20


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with object_store() as endpoint:
        yield endpoint


@pytest.fixture
def s3(store: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """S3 itself, with an empty bucket."""
    return client(store, monkeypatch)


def client(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    import s3fs

    for name, value in aws_variables(endpoint).items():
        monkeypatch.setenv(name, value)
    files = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    if files.exists("vault"):
        files.rm("vault", recursive=True)
    files.mkdir("vault")
    return files


@pytest.fixture(params=["folder", "bucket"])
def base(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the slash at its end."""
    monkeypatch.setattr(bucket, "_PART", PART)
    if request.param == "folder":
        (tmp_path / "vault").mkdir()
        return f"{tmp_path}/vault/"
    client(request.getfixturevalue("store"), monkeypatch)
    return "s3://vault/nightly/"


def left_behind(base: str) -> list[str]:
    """What is there beside whole files."""
    if not base.startswith("s3:"):
        return [each.name for each in Path(base).iterdir() if each.name.endswith(".partial")]
    import s3fs

    files = s3fs.S3FileSystem(skip_instance_cache=True)
    return [each["Key"] for each in files.call_s3("list_multipart_uploads", Bucket="vault").get("Uploads", [])]


def put(place: Place, name: str, data: bytes) -> None:
    with place.writing(name) as into:
        for start in range(0, len(data), 1_000_000):
            into.write(data[start : start + 1_000_000])


def got(place: Place, name: str) -> bytes:
    with place.reading(name) as file:
        return b"".join(iter(lambda: file.read(1_000_000), b""))


@pytest.mark.parametrize("size", [0, 1_000, PART, 2 * PART + 1])
def test_what_was_put_is_read_as_often_as_wanted(base: str, size: int) -> None:
    place, name = place_of(f"{base}x.tar")
    data = bytes(range(256)) * (size // 256 + 1)
    put(place, name, data[:size])
    with place.reading(name) as file:
        first = b"".join(iter(lambda: file.read(70_000), b""))
        file.seek(0)
        assert b"".join(iter(lambda: file.read(1_000_000), b"")) == first == data[:size]
    assert place.names() == ["x.tar"] and place.full(name) == f"{base}x.tar"
    assert left_behind(base) == []


async def test_a_backup_comes_back_from_it(base: str) -> None:
    members = [Member(str(number), bytes([number]) * 900_000) for number in range(8)]
    place, name = place_of(f"{base}x.tar")
    put(place, name, await backed_up(Fixed(*members)))
    into = Fixed()
    data = await asyncio.to_thread(got, place, name)
    await restored([into], pieces(data, 1_000_000), untold, replace=False)
    assert into.got == members
    # Cut off, as nothing here leaves it, it is told.
    put(place, name, data[:-2_000])
    with pytest.raises(TandemError, match="it is cut off"):
        await read_through(pieces(await asyncio.to_thread(got, place, name), 1_000_000), untold)


@pytest.mark.parametrize("size", [1_000, 2 * PART + 1])
def test_half_a_backup_is_none_and_the_one_before_stays(base: str, size: int) -> None:
    place, name = place_of(f"{base}x.tar")

    def broken(into: str) -> None:
        with place.writing(into) as file:
            file.write(bytes(size))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken(name)
    assert place.names() == [] and left_behind(base) == []
    put(place, name, b"whole")
    with pytest.raises(KeyboardInterrupt):
        broken(name)
    assert got(place, name) == b"whole"
    put(place, name, b"the next")
    assert got(place, name) == b"the next" and left_behind(base) == []


def test_an_upload_that_cannot_be_completed_leaves_nothing(
    s3: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3fs.core import S3File

    def refused(_: object) -> None:
        raise TimeoutError("it took too long")

    monkeypatch.setattr(bucket, "_PART", PART)
    monkeypatch.setattr(S3File, "commit", refused)
    place, name = place_of("s3://vault/nightly/x.tar")
    with pytest.raises(UpstreamUnavailable, match=r"s3://vault/nightly/x\.tar cannot be used: it took too long"):
        put(place, name, bytes(2 * PART + 1))
    assert place.names() == [] and left_behind("s3://vault/") == []


def test_in_a_folder_the_newest_is_known_and_only_old_ones_go(base: str) -> None:
    place, none = place_of(base)
    assert none == ""
    with pytest.raises(ConfigurationError, match="There is no backup in") as told:
        newest(place)
    assert told.value.hint
    names = [dated(NOW + day * 86_400) for day in range(4)]
    for name in (*reversed(names), "mine.backup", "tandem-2.backup"):
        put(place, name, b"x")
    assert names[0] == "tandem-20231114T221320Z.backup" and newest(place) == names[-1]
    assert prune(place, 9) == []
    assert prune(place, 2) == names[:2]
    assert sorted(place.names()) == sorted([*names[2:], "mine.backup", "tandem-2.backup"])
    place.delete(names[0])


def test_another_one_while_it_is_read_is_not_taken_for_it(base: str) -> None:
    place, name = place_of(f"{base}x.tar")
    put(place, name, b"first" * 100)
    with place.reading(name) as file:
        first = file.read(1_000)
        put(place, name, b"other" * 100)
        if base.startswith("s3:"):
            with pytest.raises(UpstreamUnavailable, match="has changed"):
                file.seek(0)
        else:
            # What was opened stays what it was.
            file.seek(0)
            assert file.read(1_000) == first


def test_what_a_killed_process_left_goes_with_the_next_and_what_is_written_stays(tmp_path: Path) -> None:
    (tmp_path / ".tandem-20231114T221320Z.backup.x1.partial").write_bytes(b"half")
    (tmp_path / ".other.x1.partial").write_bytes(b"half")
    with whole_file(tmp_path / dated(NOW)) as file:
        sweep(tmp_path, "tandem-*.backup")
        file.write(b"going on")
    put(place_of(f"{tmp_path}/")[0], dated(NOW + 1), b"x")
    names = sorted(each.name for each in tmp_path.iterdir())
    assert names == [".other.x1.partial", dated(NOW), dated(NOW + 1)]


@contextmanager
def refusing() -> Iterator[str]:
    """An S3 that lets nobody in."""
    body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"

    @Request.application
    def answer(_: Request) -> Response:
        return Response(body, 403, content_type="application/xml")

    with served(answer) as url:
        yield url


def test_what_a_store_refuses_is_told_with_a_hint(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    missing, name = place_of("s3://none-such/x.tar")
    with pytest.raises(ConfigurationError, match=r"s3://none-such/x\.tar is not there") as told:
        put(missing, name, b"x")
    assert "bucket" in str(told.value.hint)
    with pytest.raises(ConfigurationError, match="is not there"):
        got(place_of("s3://vault/none")[0], "none")
    with refusing() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        place, name = place_of("s3://vault/x.tar")
        for work in (lambda: put(place, name, b"x"), lambda: got(place, name), lambda: prune(place, 1)):
            with pytest.raises(PermissionDenied, match="may not be used") as refused:
                work()
            assert "credentials" in str(refused.value.hint)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    with pytest.raises(PermissionDenied, match=r"[Cc]redentials"):
        put(*place_of("s3://vault/x.tar"), b"x")


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("gs://vault/x.tar", "gs:// needs a package that is not there"),
        ("az://vault/x.tar", "az:// needs a package that is not there"),
        ("none://vault/x.tar", "none:// needs a package that is not there"),
        ("s3:///x.tar", "names no bucket"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_read(named: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as error:
        place_of(named)
    assert error.value.hint
