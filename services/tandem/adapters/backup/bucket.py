"""Backups in a bucket: S3, and whatever else fsspec reaches."""

import contextlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from tandem.domain.errors import ConfigurationError, PermissionDenied, TandemError, UpstreamUnavailable

# S3 takes 10,000 parts: 600 GB.
_PART = 64 * 2**20
_AHEAD = 8 * 2**20
# What stores say of an object that another one of this name has not.
_MARKS = ("ETag", "etag", "md5Hash", "content_md5", "generation", "last_modified", "LastModified", "size")


class Bucket:
    """`places.py`'s `Place` below `s3://BUCKET/PREFIX`. Credentials and the endpoint come from where the store's own
    library looks for them (for S3 the AWS variables, profiles and roles).
    """

    def __init__(self, url: str) -> None:
        self._url = url
        scheme = url.partition("://")[0]
        try:
            import fsspec

            self._files = fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False)
            self._root = str(self._files._strip_protocol(url)).rstrip("/")  # noqa: SLF001 - public by fsspec's own documentation
        except (ImportError, ValueError) as error:
            raise ConfigurationError(
                f"{scheme}:// needs a package that is not there: {_line(error)}.",
                hint="pip install 'tandem-rag[objects]' for S3; gcsfs and adlfs for Google's and Microsoft's stores.",
            ) from error

    def names(self) -> list[str]:
        """See `Place`. None where nothing was put yet: a prefix is there with its first object."""
        with _told(self._url):
            try:
                found = self._files.ls(self._root, detail=True)
            except FileNotFoundError:
                return []
        return [str(each["name"]).rpartition("/")[2] for each in found if each.get("type", "file") == "file"]

    def full(self, name: str) -> str:
        """See `Place`."""
        return f"{self._url}/{name}"

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """See `Place`. An upload in parts is made an object with its last one; after an error the store forgets them."""
        url = self.full(name)
        with _told(url):
            file = self._files.open(self._path(name), "wb", block_size=_PART)
        try:
            yield cast("BinaryIO", _Upload(file, url))
            with _told(url):
                file.close()
        except BaseException:
            # The file must not be closed any more, which would complete it; where it cannot be given up, its parts lapse.
            with contextlib.suppress(Exception):
                file.discard()
            file.closed = True
            raise

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        """See `Place`."""
        url, path = self.full(name), self._path(name)
        with _told(url):
            file = self._files.open(path, "rb", block_size=_AHEAD, cache_type="readahead")
        with file:
            yield cast("BinaryIO", _Download(self._files, file, path, url))

    def delete(self, name: str) -> None:
        """See `Place`."""
        with _told(self.full(name)), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


class _Upload(io.RawIOBase):
    def __init__(self, file: Any, url: str) -> None:
        self._file = file
        self._url = url

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with _told(self._url):
            return int(self._file.write(data))


class _Download(io.RawIOBase):
    def __init__(self, files: Any, file: Any, path: str, url: str) -> None:
        self._files = files
        self._file = file
        self._path = path
        self._url = url
        self._mark = self._looked()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        with _told(self._url):
            return bytes(self._file.read(size))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if self._looked() != self._mark:
            raise UpstreamUnavailable(f"{self._url} has changed since it was looked at.", hint="Try again.")
        return int(self._file.seek(offset, whence))

    def _looked(self) -> tuple[Any, ...]:
        with _told(self._url):
            said = self._files.info(self._path)
        return tuple(said.get(key) for key in _MARKS)


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except TandemError:
        raise
    except Exception as error:  # each store raises errors of its own
        raise _as_ours(error, url) from error


def _as_ours(error: Exception, url: str) -> TandemError:
    if isinstance(error, FileNotFoundError):
        return ConfigurationError(f"{url} is not there.", hint="Check the bucket and the name.")
    if isinstance(error, PermissionError) or "credentials" in str(error).lower():
        return PermissionDenied(
            f"{url} may not be used: {_line(error)}.",
            hint="Check the credentials (for S3: AWS_PROFILE, AWS_ACCESS_KEY_ID, or the role), and what they may do.",
        )
    return UpstreamUnavailable(
        f"{url} cannot be used: {_line(error)}.",
        hint="Check the network and the endpoint (for S3: AWS_ENDPOINT_URL).",
    )


def _line(error: Exception) -> str:
    return (" ".join(str(error).split()).rstrip(".") or type(error).__name__)[:200]
