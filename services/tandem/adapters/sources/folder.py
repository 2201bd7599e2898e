"""A folder, or one file, as a source of documents."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from tandem.adapters.sources.walk import walk
from tandem.domain.document import IngestOutcome, RawDocument
from tandem.domain.errors import DocumentRejected, InvalidRequest
from tandem.ports.source import Listing


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that was found; `source` is its absolute path. Read only when its turn comes."""

    id: str
    path: Path
    source: str
    max_bytes: int
    size: int | None = None

    async def read(self) -> RawDocument:
        """Raises `DocumentRejected`: `too_large` (without reading it), `unreadable`."""
        try:
            return await asyncio.to_thread(self._read)
        except OSError as error:
            raise DocumentRejected(
                f"The file cannot be read: {error.strerror or error}.", reason="unreadable"
            ) from error

    def _read(self) -> RawDocument:
        with open(self.path, "rb", opener=_open_without_waiting) as file:
            stat = os.fstat(file.fileno())
            if stat.st_size > self.max_bytes:
                raise DocumentRejected(
                    f"The file has {stat.st_size:,} bytes; {self.max_bytes:,} are allowed.",
                    reason="too_large",
                    hint="Split it, or raise ingestion.max_document_bytes.",
                )
            body = file.read(self.max_bytes + 1)
        return RawDocument(self.id, body, self.source, modified_at=stat.st_mtime)


@dataclass(frozen=True, slots=True)
class FolderSource:
    """`ports/source.py` for a path. Ids begin with the folder's own name: `docs/guide/install.md`; a file gives its name."""

    path: Path
    max_document_bytes: int = 50_000_000

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
            return Listing((self._ref(root, root.parent),))
        return self._folder(root)

    def _folder(self, root: Path) -> Listing:
        found = walk(root)
        if any(folder == root for folder, _ in found.unreadable):
            raise InvalidRequest(
                f"The folder {self.path} may not be read.", hint="Check its permissions.", param="path"
            )
        base = root.parent
        return Listing(
            refs=tuple(self._ref(path, base) for path in found.files),
            roots=(str(root).rstrip("/") + "/",),
            faults=tuple(
                IngestOutcome(
                    _id(folder, base), "failed", reason="unreadable", message=f"The folder cannot be read: {why}."
                )
                for folder, why in found.unreadable
            ),
            skipped=found.skipped,
            complete=not found.unreadable,
        )

    def _ref(self, path: Path, base: Path) -> FileRef:
        try:
            size = path.stat().st_size
        except OSError:
            size = None
        return FileRef(_id(path, base), path, _shown(str(path)), self.max_document_bytes, size)


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
