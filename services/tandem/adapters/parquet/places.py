"""Where files lie: a folder of this machine, or an object store that fsspec reaches."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tandem.domain.errors import ConfigurationError, UpstreamUnavailable

_UNFINISHED = ".unfinished"


class Place(Protocol):
    """Files by their paths below one root, with `/` between the parts. Every call may raise `UpstreamUnavailable`."""

    def put(self, path: str, body: bytes) -> None:
        """The file is there, whole and durably, or as it was before."""
        ...

    def get(self, path: str) -> bytes | None:
        """What it holds, None when it is gone."""
        ...

    def delete(self, path: str) -> None:
        """It is gone, also when it was already."""
        ...

    def files(self) -> list[str]:
        """All of them, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder; made when it is missing."""

    root: Path

    def put(self, path: str, body: bytes) -> None:
        """See the protocol: written beside, made durable, then renamed."""
        file = self.root / path
        beside = file.with_name(f".{file.name}{_UNFINISHED}")
        with _told(str(self.root)):
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                with beside.open("wb") as open_file:
                    open_file.write(body)
                    open_file.flush()
                    os.fsync(open_file.fileno())
                beside.replace(file)
            except OSError:
                with suppress(OSError):
                    beside.unlink(missing_ok=True)
                raise
            _sync(file.parent)

    def get(self, path: str) -> bytes | None:
        """See the protocol."""
        with _told(str(self.root)):
            try:
                return (self.root / path).read_bytes()
            except FileNotFoundError:
                return None

    def delete(self, path: str) -> None:
        """See the protocol. Folders that are empty then go, too."""
        file = self.root / path
        with _told(str(self.root)):
            file.unlink(missing_ok=True)
        for folder in list(file.parents)[: len(Path(path).parts) - 1]:
            with suppress(OSError):
                folder.rmdir()

    def files(self) -> list[str]:
        """See the protocol. What a process that died left unfinished is none."""
        with _told(str(self.root)):
            found = (file.relative_to(self.root).as_posix() for file in self.root.rglob("*.parquet"))
            return sorted(found)


@dataclass(frozen=True, slots=True)
class Objects:
    """A bucket, or what lies below a prefix of it."""

    store: Any
    root: str

    def put(self, path: str, body: bytes) -> None:
        """See the protocol: an object appears whole, by itself."""
        with _told(self.root):
            self.store.pipe_file(f"{self.root}/{path}", body)

    def get(self, path: str) -> bytes | None:
        """See the protocol."""
        with _told(self.root):
            try:
                body: bytes = self.store.cat_file(f"{self.root}/{path}")
            except FileNotFoundError:
                return None
            return body

    def delete(self, path: str) -> None:
        """See the protocol."""
        with _told(self.root), suppress(FileNotFoundError):
            self.store.rm_file(f"{self.root}/{path}")

    def files(self) -> list[str]:
        """See the protocol."""
        with _told(self.root):
            found: list[str] = self.store.find(self.root)
        return sorted(path[len(self.root) + 1 :] for path in found if path.endswith(".parquet"))


def place(url: str) -> Place:
    """By the URL: `s3://bucket/prefix` and the like, else a path. Raises `ConfigurationError`."""
    scheme, named, _ = url.partition("://")
    if not named:
        return Folder(Path(url))
    if scheme == "file":
        return Folder(Path(url.removeprefix("file://")))
    try:
        import fsspec

        store = fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False)
        root = str(store._strip_protocol(url)).rstrip("/")  # noqa: SLF001 - public by fsspec's own documentation
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"{scheme}:// needs a package that is not there: {error}.",
            hint="pip install 'tandem-rag[objects]' for S3; gcsfs and adlfs for Google's and Microsoft's stores.",
        ) from error
    return Objects(store, root)


@contextmanager
def _told(where: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each store raises errors of its own
        what = str(error).strip().rstrip(".") or type(error).__name__
        raise UpstreamUnavailable(f"{where} cannot be written or read: {what}.") from error


def _sync(folder: Path) -> None:
    """A rename is durable once its folder is."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
