"""A Git repository at a branch, tag or commit, as a source of documents; no git program is needed."""

import asyncio
import contextlib
import re
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from dulwich import porcelain
from dulwich.errors import NotGitRepository
from dulwich.objects import Blob, Commit
from dulwich.objectspec import parse_commit
from dulwich.repo import Repo

from tandem.adapters.sources.origin import origin
from tandem.adapters.sources.walk import Sieve
from tandem.domain.document import RawDocument
from tandem.domain.errors import DocumentRejected, InvalidRequest
from tandem.ports.source import Listing

PREFIX = "git+"
# Who changed a file last, and when, is looked for in so many commits; of a repository elsewhere no more are fetched.
_HISTORY = 500
_IDENTITY = re.compile(r"^(?P<name>[^<]*?)\s*(<[^>]*>)?$")
_FULL_SHA = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class GitPlace:
    """`git+URL@REF#FOLDER`, taken apart. `shown` carries no password."""

    url: str
    ref: str | None
    folder: str
    shown: str
    name: str


@dataclass(frozen=True, slots=True)
class LastChange:
    """Who changed a file last, and when (epoch seconds)."""

    author: str | None
    at_s: float


class Snapshot:
    """One commit of a repository that lies on this machine."""

    def __init__(self, repo: Repo, commit: Commit) -> None:
        self._repo = repo
        self.commit = commit
        self._changes: dict[bytes, LastChange] | None = None
        # dulwich's object store is not made for several threads at a time.
        self._turn = threading.Lock()

    def files(self) -> Iterator[tuple[bytes, str]]:
        """Path and blob of every regular file."""
        for entry in self._repo.object_store.iter_tree_contents(self.commit.tree):
            path, mode, sha = entry.path, entry.mode, entry.sha
            if path and mode and sha and stat.S_ISREG(mode):
                yield path, sha.decode()

    def read(self, path: bytes, sha: str) -> tuple[bytes, LastChange | None]:
        """The file's bytes, and its last change where that is not too long ago."""
        with self._turn:
            blob = self._repo[sha.encode()]
            if not isinstance(blob, Blob):
                raise DocumentRejected("The entry is no file.", reason="unreadable")
            if self._changes is None:
                self._changes = dict(_last_changes(self._repo, self.commit))
            return blob.data, self._changes.get(path)

    def close(self) -> None:
        """Let go of its files."""
        self._repo.close()


@dataclass(frozen=True, slots=True)
class GitRef:
    """A file of the commit; its blob's name is its version."""

    id: str
    source: str
    path: bytes
    version: str
    snapshot: Snapshot
    max_bytes: int
    origin: str
    size: int | None = None

    async def read(self, unless: str | None = None) -> RawDocument | None:
        """Raises `DocumentRejected`: `too_large`, `unreadable`."""
        if self.version == unless:
            return None
        try:
            body, change = await asyncio.to_thread(self.snapshot.read, self.path, self.version)
        except (KeyError, OSError) as error:
            raise DocumentRejected(f"The file cannot be read: {error}.", reason="unreadable") from error
        if len(body) > self.max_bytes:
            raise DocumentRejected(
                f"The file has {len(body):,} bytes; {self.max_bytes:,} are allowed.",
                reason="too_large",
                hint="Split it, or raise ingestion.max_document_bytes.",
            )
        return RawDocument(
            self.id,
            body,
            self.source,
            author=None if change is None else change.author,
            modified_at=None if change is None else change.at_s,
            version=self.version,
            origin=self.origin,
        )


class GitSource:
    """`ports/source.py` for `git+URL@REF#FOLDER`. Ids begin with the repository's name: `handbook/docs/a.md`.

    A repository elsewhere is fetched into a folder that lasts until `aclose`.
    """

    def __init__(self, place: str, *, max_document_bytes: int = 50_000_000, timeout_s: float = 600.0) -> None:
        self._parsed = parse_place(place)
        self._max_bytes = max_document_bytes
        self._timeout_s = timeout_s
        self._closing = contextlib.ExitStack()

    @property
    def place(self) -> str:
        """As it was named, without a password."""
        return self._parsed.shown

    async def listing(self) -> Listing:
        """Raises `InvalidRequest` when there is no such repository or no such commit in it."""
        try:
            async with asyncio.timeout(self._timeout_s):
                snapshot = await asyncio.to_thread(self._snapshot)
                return await asyncio.to_thread(self._listing, snapshot)
        except TimeoutError as error:
            await self.aclose()
            raise InvalidRequest(f"{self.place} was not fetched in {self._timeout_s:g} s.", param="path") from error
        except InvalidRequest:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Delete what was fetched."""
        await asyncio.to_thread(self._closing.close)

    def _snapshot(self) -> Snapshot:
        parsed = self._parsed
        try:
            repo = self._repo()
            snapshot = Snapshot(repo, parse_commit(repo, parsed.ref or "HEAD"))
        except KeyError as error:
            raise InvalidRequest(
                f"{parsed.shown} has no branch, tag or commit {parsed.ref or 'HEAD'!r}.", param="path"
            ) from error
        except NotGitRepository as error:
            raise InvalidRequest(f"{parsed.shown} is no Git repository.", param="path") from error
        except Exception as error:  # dulwich lets through whatever its transports raise
            said = str(error).replace(parsed.url, parsed.shown)
            raise InvalidRequest(
                f"{parsed.shown} cannot be fetched: {said or type(error).__name__}.", param="path"
            ) from error
        self._closing.callback(snapshot.close)
        return snapshot

    def _repo(self) -> Repo:
        parsed = self._parsed
        if "://" not in parsed.url:
            return Repo(str(Path(parsed.url).expanduser()))
        folder = self._closing.enter_context(TemporaryDirectory(prefix="tandem-git-"))
        # A commit by its name may lie anywhere: all of the history has to be there.
        named = parsed.ref is not None and _FULL_SHA.fullmatch(parsed.ref) is not None
        with open(Path(folder) / "log", "wb") as log:  # noqa: PTH123
            return porcelain.clone(
                parsed.url,
                f"{folder}/repo",
                bare=True,
                depth=None if named else _HISTORY,
                branch=None if named else parsed.ref,
                errstream=log,
            )

    def _listing(self, snapshot: Snapshot) -> Listing:
        parsed, sieve = self._parsed, Sieve()
        base = PurePosixPath(parsed.folder) if parsed.folder else PurePosixPath()
        mark = origin("git", parsed.shown)
        remote = parsed.shown.partition("#")[0].removeprefix(PREFIX) if "://" in parsed.url else None
        refs = []
        for path, sha in snapshot.files():
            name = _shown(path)
            if not PurePosixPath(name).is_relative_to(base) or not sieve.takes(name):
                continue
            document_id = f"{parsed.name}/{name}"
            source = f"{remote}:{name}" if remote else document_id
            refs.append(GitRef(document_id, source, path, sha, snapshot, self._max_bytes, mark))
        if not refs and parsed.folder:
            raise InvalidRequest(f"{parsed.shown} has nothing in the folder {parsed.folder!r}.", param="path")
        return Listing(tuple(refs), skipped=dict(sieve.skipped), origin=mark)


def parse_place(place: str) -> GitPlace:
    """Raises `InvalidRequest` for what names no repository."""
    rest, _, folder = place.removeprefix(PREFIX).partition("#")
    scheme, remote, behind = rest.rpartition("://")
    host, slash, path = behind.partition("/") if remote else ("", "", rest)
    path, _, ref = path.rpartition("@") if "@" in path else (path, "", "")
    where = slash + path
    if not where.strip("/") or (remote and scheme != "file" and not host):
        raise InvalidRequest(
            f"{place} names no repository.", hint="Write git+https://host/owner/name@branch.", param="path"
        )
    behind_at = f"{f'@{ref}' if ref else ''}{f'#{folder}' if folder else ''}"
    if not remote or scheme == "file":
        url = shown = str(Path(where).expanduser().absolute())
    else:
        url = f"{scheme}://{host}{where}"
        shown = f"{scheme}://{host.rpartition('@')[2]}{where}"
    name = PurePosixPath(shown).name.removesuffix(".git")
    return GitPlace(url, ref or None, folder.strip("/"), f"{PREFIX}{shown}{behind_at}", name)


def _last_changes(repo: Repo, commit: Commit) -> Iterator[tuple[bytes, LastChange]]:
    """Of each file the newest change. Beyond a shallow end nobody knows who wrote what."""
    shallow = repo.get_shallow()
    seen: dict[bytes, LastChange] = {}
    for entry in repo.get_walker(include=[commit.id], max_entries=_HISTORY):
        # A merge changes nothing by itself, and in front of the shallow end everything would look new.
        if len(entry.commit.parents) > 1 or entry.commit.id in shallow:
            continue
        change = LastChange(_author(entry.commit), float(entry.commit.author_time))
        for each in entry.changes():
            path = None if isinstance(each, list) or each.new is None else each.new.path
            if path is not None:
                seen.setdefault(path, change)
    yield from seen.items()


def _author(commit: Commit) -> str | None:
    found = _IDENTITY.match(commit.author.decode("utf-8", "replace"))
    name = found["name"].strip() if found else ""
    return name if name.isprintable() and name else None


def _shown(path: bytes) -> str:
    text = path.decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
