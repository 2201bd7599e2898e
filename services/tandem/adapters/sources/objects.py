"""A bucket, or what lies below a prefix of it, as a source of documents: S3 and whatever else fsspec reaches."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import Any

import fsspec

from tandem.adapters.sources.origin import origin
from tandem.adapters.sources.walk import Sieve
from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected, InvalidRequest
from tandem.ports.source import Listing

# What a user may name; file:// and the like would reach past what folders are held to.
SCHEMES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")
# What stores call an object's version, the strictest first.
_VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "generation")
_CHANGED = ("LastModified", "last_modified", "updated", "mtime", "created")


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object that was listed; read only when its turn comes."""

    id: str
    source: str
    path: str
    files: Any
    max_bytes: int
    origin: str
    size: int | None
    version: str | None
    modified_at: float | None

    async def read(self, unless: str | None = None) -> RawDocument | None:
        """Raises `DocumentRejected`: `too_large` (without reading it), `unreachable`."""
        if self.version is not None and self.version == unless:
            return None
        if self.size is not None and self.size > self.max_bytes:
            raise DocumentRejected(
                f"The object has {self.size:,} bytes; {self.max_bytes:,} are allowed.",
                reason="too_large",
                hint="Split it, or raise ingestion.max_document_bytes.",
            )
        try:
            body, said = await asyncio.to_thread(self._read)
        except FileNotFoundError as error:
            raise DocumentRejected(f"{self.source} is gone.", reason="unreadable") from error
        except Exception as error:  # each store raises errors of its own
            raise DocumentRejected(f"{self.source} cannot be read: {_said(error)}.", reason="unreachable") from error
        return RawDocument(
            self.id,
            body,
            self.source,
            media_type=_media_type(said),
            title=_word(said, "title"),
            author=_word(said, "author"),
            tags=_words(said, "tags"),
            acl=_words(said, "acl"),
            modified_at=self.modified_at,
            created_at=_instant(_word(said, "created_at") or _word(said, "created-at")),
            version=self.version,
            origin=self.origin,
        )

    def _read(self) -> tuple[bytes, Mapping[str, Any]]:
        body: bytes = self.files.cat_file(self.path, end=self.max_bytes + 1)
        return body, _metadata(self.files, self.path)


@dataclass(frozen=True, slots=True)
class ObjectSource:
    """`ports/source.py` for `s3://bucket/prefix`. Ids begin with the last part of what was named: `docs/a.md`.

    Credentials and the endpoint come from where the store's own library looks for them (for S3 the AWS variables,
    profiles and roles).
    """

    url: str
    max_document_bytes: int = 50_000_000
    timeout_s: float = 600.0

    @property
    def place(self) -> str:
        """The URL."""
        return self.url

    async def listing(self) -> Listing:
        """Raises `InvalidRequest` when there is no such bucket or prefix, or nothing of it may be listed."""
        try:
            async with asyncio.timeout(self.timeout_s):
                return await asyncio.to_thread(self._listing)
        except TimeoutError as error:
            raise InvalidRequest(f"{self.url} was not listed in {self.timeout_s:g} s.", param="path") from error

    def _listing(self) -> Listing:
        scheme, _, where = self.url.partition("://")
        try:
            files = fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False)
            root = files._strip_protocol(self.url)  # noqa: SLF001 - public by fsspec's own documentation
            found: dict[str, dict[str, Any]] = files.find(root, detail=True)
        except (ImportError, ValueError) as error:
            raise InvalidRequest(
                f"{scheme}:// needs a package that is not there: {_said(error)}.",
                hint="pip install 'tandem-rag[objects]' for S3; gcsfs and adlfs for Google's and Microsoft's stores.",
                param="path",
            ) from error
        except Exception as error:  # each store raises errors of its own
            raise InvalidRequest(f"{self.url} cannot be listed: {_said(error)}.", param="path") from error
        if not found:
            raise InvalidRequest(f"{self.url} holds nothing, or does not exist.", param="path")
        root, mark, sieve = root.rstrip("/"), origin("objects", scheme, where.strip("/")), Sieve()
        base = root if root in found else None
        refs = []
        for path, info in sorted(found.items()):
            below = PurePosixPath(path).name if path == base else path[len(root) :].strip("/")
            if info.get("type", "file") != "file" or not sieve.takes(below):
                continue
            document_id = below if path == base else f"{PurePosixPath(root).name}/{below}"
            source = f"{scheme}://{path.lstrip('/')}"
            version, changed = _version(info), _changed(info)
            refs.append(
                ObjectRef(
                    document_id, source, path, files, self.max_document_bytes, mark, info.get("size"), version, changed
                )
            )
        return Listing(tuple(refs), skipped=dict(sieve.skipped), origin=None if base else mark)


def _version(info: Mapping[str, Any]) -> str | None:
    named = next((str(info[key]).strip('"') for key in _VERSIONS if info.get(key)), None)
    if named is not None:
        return named
    changed = _changed(info)
    return None if changed is None else f"{changed!r}-{info.get('size')}"


def _changed(info: Mapping[str, Any]) -> float | None:
    return next((at for key in _CHANGED if (at := _instant(info.get(key))) is not None), None)


def _instant(value: object) -> float | None:
    """Epoch seconds of whatever a store calls a time."""
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        return _instant(_written(value))
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    return None


def _written(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(text)
        except ValueError:
            continue
    return None


def _metadata(files: Any, path: str) -> Mapping[str, Any]:
    """What was said of the object when it was put: one more call, and only stores that keep such."""
    ask = getattr(files, "metadata", None)
    if ask is None:
        return {}
    said = dict(ask(path))
    return {str(key).lower().replace("_", "-"): value for key, value in said.items()}


def _word(said: Mapping[str, Any], key: str) -> str | None:
    value = said.get(key.replace("_", "-"))
    text = value.strip() if isinstance(value, str) else ""
    return text or None


def _words(said: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(word for each in (_word(said, key) or "").split(",") if (word := each.strip()))


def _media_type(said: Mapping[str, Any]) -> str | None:
    kind = _word(said, "content-type")
    return None if kind in {"application/octet-stream", "binary/octet-stream"} else kind


def _said(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
