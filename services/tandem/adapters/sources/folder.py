"""A folder, or one file, as a source of documents."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from tandem.adapters.sources.origin import origin
from tandem.adapters.sources.walk import walk
from tandem.domain.document import IngestOutcome, RawDocument
from tandem.domain.errors import DocumentRejected, InvalidRequest
from tandem.ports.source import Listing


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that was found. Read only when its turn comes."""

    id: str
    path: Path
    max_bytes: int
    origin: str | None = None
    size: int | None = None
    version: str | None = None

    async def read(self, unless: str | None = None) -> RawDocument | None:
        """Raises `DocumentRejected`: `too_large` (without reading it), `unreadable`."""
        try:
            return await asyncio.to_thread(self._read, unless)
        except OSError as error:
            raise DocumentRejected(
                f"The file cannot be read: {error.strerror or error}.", reason="unreadable"
            ) from error

    def _read(self, unless: str | None) -> RawDocument | None:
        with open(self.path, "rb", opener=_open_without_waiting) as file:
            stat = os.fstat(file.fileno())
            version = _version(stat)
            if version == unless:
                return None
            if stat.st_size > self.max_bytes:
                raise DocumentRejected(
                    f"The file has {stat.st_size:,} bytes; {self.max_bytes:,} are allowed.",
                    reason="too_large",
                    hint="Split it, or raise ingestion.max_document_bytes.",
                )
            body = file.read(self.max_bytes + 1)
            # Written to while it was read: nobody knows of which version that is.
            whole = _version(os.fstat(file.fileno())) == version
        return RawDocument(
            self.id,
            body,
            self.id,
            modified_at=stat.st_mtime,
            version=version if whole else None,
            origin=self.origin,
        )


@dataclass(frozen=True, slots=True)
class FolderSource:
    """`ports/source.py` for a path. Ids begin with the folder's own name: `docs/guide/install.md`; a file gives its name."""

    path: Path
    max_document_bytes: int = 50_000_000

    @property
    def place(self) -> str:
        """The absolute path."""
        return os.path.normpath(self.path.expanduser().absolute())

    async def listing(self) -> Listing:
        """Raises `InvalidRequest` when the path is missing, unreadable, or neither file nor folder."""
        return await asyncio.to_thread(self._listing)

    def _listing(self) -> Listing:
        try:
            root = self.path.expanduser().absolute()
            kind = _kind(root)
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise InvalidRequest(
                f"{self.path} cannot be read: {reason or 'not a usable path'}.", param="path"
            ) from error
        root = Path(os.path.normpath(root))
        if kind == "file":
            return Listing((self._ref(root, root.parent, None),))
        return self._folder(root)

    def _folder(self, root: Path) -> Listing:
        found = walk(root)
        if any(folder == root for folder, _ in found.unreadable):
            raise InvalidRequest(
                f"The folder {self.path} may not be read.", hint="Check its permissions.", param="path"
            )
        base, mark = root.parent, origin("folder", _shown(str(root)))
        return Listing(
            refs=tuple(self._ref(path, base, mark) for path in found.files),
            roots=(str(root).rstrip("/") + "/",),
            faults=tuple(
                IngestOutcome(
                    _id(folder, base), "failed", reason="unreadable", message=f"The folder cannot be read: {why}."
                )
                for folder, why in found.unreadable
            ),
            skipped=found.skipped,
            complete=not found.unreadable,
            origin=mark,
        )

    def _ref(self, path: Path, base: Path, mark: str | None) -> FileRef:
        try:
            stat = path.stat()
        except OSError:
            return FileRef(_id(path, base), path, self.max_document_bytes, mark)
        return FileRef(_id(path, base), path, self.max_document_bytes, mark, stat.st_size, _version(stat))


def _version(stat: os.stat_result) -> str:
    """Any write gives a file another time, and so does anything that takes its place."""
    return f"{stat.st_mtime_ns:x}-{stat.st_ctime_ns:x}-{stat.st_size:x}-{stat.st_ino:x}"


def _kind(path: Path) -> str:
    if path.is_dir():
        return "folder"
    if path.is_file():
        return "file"
    if path.exists():
        raise OSError(0, "it is neither a file nor a folder")
    raise OSError(0, "there is no such file or folder")


def _id(path: Path, base: Path) -> str:
    return _shown(path.relative_to(base).as_posix())


def _shown(name: str) -> str:
    """File names are bytes; what is not UTF-8 or cannot be printed is shown as a replacement character."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _open_without_waiting(path: str, flags: int) -> int:
    # A named pipe that took the file's place since would hold us for ever.
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
