"""Qdrant's engine in this process: a folder per collection, one process per store."""

import asyncio
import errno
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from tandem.adapters.qdrant.commits import GroupCommit
from tandem.adapters.qdrant.conditions import Where
from tandem.adapters.qdrant.engine import Legs
from tandem.adapters.qdrant.lineages import read_lineage, write_lineage
from tandem.adapters.qdrant.naming import unknown
from tandem.adapters.qdrant.payload import NewPoint, Payload
from tandem.adapters.qdrant.pointers import Pointers
from tandem.adapters.qdrant.recipes import FILE, read_recipe, write_recipe
from tandem.adapters.qdrant.shard import BUSY_HINT, Shard, create_shard, load_shard
from tandem.adapters.qdrant.store import QdrantVectors
from tandem.adapters.qdrant.turns import Turns
from tandem.domain.document import Recipe
from tandem.domain.errors import ConfigurationError, StoreBusy, StoreFull
from tandem.domain.lineage import Lineage, is_version
from tandem.ports.copying import StoredPoint
from tandem.ports.embedder import DenseVector, SparseVector

T = TypeVar("T")

_LOCK = ".lock"
_SHARD = "shard"
_READERS = 4


@dataclass(frozen=True, slots=True)
class _Open:
    shard: Shard
    recipe: Recipe
    writer: GroupCommit


class EdgeEngine:
    """Collections are opened when first used. Each has one thread that writes; all share the threads that read."""

    def __init__(self, root: Path, readers: ThreadPoolExecutor) -> None:
        self._root = root
        self._readers = readers
        self._opened: dict[str, _Open] = {}
        self._opening = asyncio.Lock()
        self._pointers = Pointers(root)
        self._pointing = asyncio.Lock()

    async def serving(self, *, fresh: bool = False) -> Mapping[str, str]:
        """From memory: this process alone changes it."""
        del fresh
        return self._pointers.serving

    async def point(self, base: str, version: str, instead_of: str | None) -> None:
        """See `Engine`. Readers see it when it is on the disk."""
        await self._collection(version)
        async with self._pointing:
            self._pointers.check(base, instead_of)
            await self._read(lambda: self._pointers.point(base, version))

    async def withdraw(self, base: str) -> None:
        """See `Engine`."""
        async with self._pointing:
            await self._read(lambda: self._pointers.withdraw(base))

    async def adopt(self, base: str) -> bool:
        """See `Engine`: that was done when the store was opened."""
        return base in self._pointers.serving

    async def lineage(self, name: str) -> Lineage:
        """From the file beside the recipe."""
        await self.recipe(name)
        return await self._read(lambda: read_lineage(self._root / name))

    async def keep_lineage(self, name: str, lineage: Lineage) -> None:
        """See `Engine`."""
        await self.recipe(name)
        try:
            await self._read(lambda: write_lineage(self._root / name, lineage))
        except FileNotFoundError:
            # Dropped meanwhile, with its folder.
            raise unknown(name) from None

    @property
    def whole_batches(self) -> bool:
        """One log holds everything."""
        return True

    async def names(self) -> list[str]:
        """Folders whose recipe is there."""
        found = await self._read(lambda: [file.parent.name for file in self._root.glob(f"*/{FILE}")])
        return [name for name in found if is_version(name)]

    async def recipe(self, name: str, *, fresh: bool = True) -> Recipe:
        """From the file, once."""
        del fresh
        if found := self._opened.get(name):
            return found.recipe
        try:
            # A version that nobody reads is not opened to tell of it.
            return await self._read(lambda: read_recipe(self._root / name))
        except FileNotFoundError:
            raise unknown(name) from None

    async def create(self, name: str, recipe: Recipe, lineage: Lineage) -> None:
        """The recipe is written last, so a folder without one is what a crash left: it is made anew."""
        async with self._opening:
            if name not in self._opened:
                shard = await self._read(lambda: _create(self._root / name, recipe, lineage))
                self._opened[name] = _opened(name, shard, recipe)

    async def drop(self, name: str) -> None:
        """The recipe goes first: without it the rest is no collection any more."""
        collection = await self._collection(name)
        async with self._opening:
            if self._opened.pop(name, None) is None:
                raise unknown(name)
            folder = self._root / name
            await self._read((folder / FILE).unlink)
            await self._read(partial(_close, collection))
            await self._read(lambda: shutil.rmtree(folder))

    async def upsert(self, name: str, points: Sequence[NewPoint]) -> None:
        """See `Engine`."""
        await self._write(name, lambda shard: shard.upsert(points))

    async def set_payload(self, name: str, where: Where, payload: Payload) -> None:
        """See `Engine`."""
        await self._write(name, lambda shard: shard.set_payload(where, payload))

    async def delete(self, name: str, where: Where) -> None:
        """See `Engine`."""
        await self._write(name, lambda shard: shard.delete(where))

    async def retrieve(self, name: str, ids: Sequence[str]) -> list[Payload]:
        """See `Engine`."""
        shard = (await self._collection(name)).shard
        return await self._read(lambda: shard.retrieve(ids))

    async def scroll(self, name: str, where: Where, only: Sequence[str] = ()) -> list[Payload]:
        """See `Engine`."""
        shard = (await self._collection(name)).shard
        return await self._read(lambda: shard.scroll(where, only))

    async def embedded(self, name: str, where: Where) -> list[tuple[Payload, DenseVector, SparseVector]]:
        """See `Engine`."""
        shard = (await self._collection(name)).shard
        return await self._read(lambda: shard.embedded(where))

    async def points(
        self, name: str, where: Where, limit: int, after: str | None, *, only: Sequence[str] = (), vectors: bool
    ) -> tuple[list[StoredPoint], str | None]:
        """See `Engine`."""
        shard = (await self._collection(name)).shard
        return await self._read(lambda: shard.page(where, limit, after, only=only, vectors=vectors))

    async def values(self, name: str, key: str, where: Where, limit: int | None = None) -> list[str]:
        """See `Engine`."""
        shard = (await self._collection(name)).shard
        return await self._read(lambda: shard.values(key, where, limit))

    async def count(self, name: str, where: Where) -> int:
        """See `Engine`."""
        shard = (await self._collection(name)).shard
        return await self._read(lambda: shard.count(where))

    async def query(
        self,
        name: str,
        dense: DenseVector,
        sparse: SparseVector,
        where: Where,
        limit: int,
        within_s: float | None = None,
    ) -> Legs:
        """See `Engine`. A search that waits for a thread when its caller leaves is not begun."""
        del within_s
        shard = (await self._collection(name)).shard
        return await self._read(lambda: shard.query(dense, sparse, where, limit))

    async def optimize(self, name: str) -> None:
        """See `Engine`."""
        await self._write(name, lambda shard: shard.optimize())

    async def close(self) -> None:
        """Let running writes end, then flush and close every collection."""
        while self._opened:
            _, collection = self._opened.popitem()
            await self._read(partial(_close, collection))

    async def _collection(self, name: str) -> _Open:
        if found := self._opened.get(name):
            return found
        async with self._opening:
            if name not in self._opened:
                try:
                    recipe = await self._read(lambda: read_recipe(self._root / name))
                except FileNotFoundError:
                    raise unknown(name) from None
                shard = await self._read(lambda: load_shard(self._root / name / _SHARD))
                self._opened[name] = _opened(name, shard, recipe)
            return self._opened[name]

    async def _read(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def _write(self, name: str, work: Callable[[Shard], None]) -> None:
        await (await self._collection(name)).writer.write(work)


@asynccontextmanager
async def edge_vectors(
    path: Path, *, max_concurrency: int = 32, patience_s: float = 10.0
) -> AsyncIterator[QdrantVectors]:
    """The store in the folder `path`, made when missing. Raises `StoreBusy`, `StoreFull`, `ConfigurationError`.

    At most `max_concurrency` searches are begun, and none waits longer than `patience_s` for that.
    """
    with _held(path), ThreadPoolExecutor(_READERS, "qdrant-read") as readers:
        engine = EdgeEngine(path, readers)
        try:
            yield QdrantVectors(engine, Turns(max_concurrency, patience_s))
        finally:
            await engine.close()


def _opened(name: str, shard: Shard, recipe: Recipe) -> _Open:
    return _Open(shard, recipe, GroupCommit(shard, name))


def _create(folder: Path, recipe: Recipe, lineage: Lineage) -> Shard:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shard = create_shard(folder / _SHARD, recipe.dimensions)
    write_lineage(folder, lineage)
    write_recipe(folder, recipe)
    return shard


def _close(collection: _Open) -> None:
    collection.writer.close()
    collection.shard.close()


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """The whole store is this process's until the end, however it ends: the kernel lets go of the lock."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _cannot_open(path, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise StoreBusy(f"Another process holds the vector store in {path}.", hint=BUSY_HINT) from error
    try:
        yield
    finally:
        os.close(handle)


def _cannot_open(path: Path, error: OSError) -> StoreFull | ConfigurationError:
    if error.errno == errno.ENOSPC:
        return StoreFull(f"No space is left where the vector store lives ({path}).", hint="Free some space.")
    return ConfigurationError(
        f"The vector store's folder {path} cannot be used: {error.strerror}.", hint="Set data_dir to one you can write."
    )
