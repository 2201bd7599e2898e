"""The vector store as a part of a backup: each version with its recipe and lineage, and its points with their vectors."""

import asyncio
import base64
import contextlib
import gzip
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from tandem.adapters.backup.tar import damaged
from tandem.domain.document import Recipe
from tandem.domain.errors import StoreMismatch, TandemError
from tandem.domain.lineage import Lineage, Version, is_version
from tandem.ports.backup import Member, Tell
from tandem.ports.copying import Copied, StoredPoint
from tandem.ports.embedder import SparseVector

_VERSION = "version.json"
# Vectors hardly shrink; the texts beside them do.
_LEVEL = 1
# Points in a member: a book's chunks may be more than a member may hold.
_MEMBER = 512
_LINEAGE = TypeAdapter(Lineage)


class _WireRecipe(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    embedder: str
    dimensions: int
    sparse: str
    chunker: str


class _WireVersion(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    recipe: _WireRecipe
    serves: bool
    chunks: int


class _About(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    versions: dict[str, _WireVersion]


@dataclass(frozen=True, slots=True)
class Embedding:
    """What questions are embedded with here."""

    embedder: str
    dimensions: int
    sparse: str


class CollectionsPart:
    """`ports/backup.py`'s `Part` over a vector store. `embedding` tells what vectors must have been made with to be of use."""

    name = "collections"

    def __init__(self, store: Copied, embedding: Callable[[], Awaitable[Embedding]]) -> None:
        self._store = store
        self._embedding = embedding
        self._versions: tuple[Version, ...] = ()

    async def about(self) -> Mapping[str, Any] | None:
        """Every version with its recipe, how many chunks it has, and which of them serve."""
        self._versions = await self._store.every_version()
        return {
            "versions": {
                each.name: {
                    "recipe": asdict(each.recipe),
                    "serves": each.state == "serving",
                    "chunks": (await self._store.counts(each.name)).chunks,
                }
                for each in self._versions
            }
        }

    async def taken(self, tell: Tell, counts: dict[str, int]) -> AsyncIterator[Member]:
        """`docs@3/version.json`, then its points, some in each member."""
        for version in self._versions:
            yield Member(f"{version.name}/{_VERSION}", _LINEAGE.dump_json(version.lineage))
            total = (await self._store.counts(version.name)).chunks
            counts[version.name] = number = 0
            async for points in self._store.points(version.name):
                for start in range(0, len(points), _MEMBER):
                    data = await asyncio.to_thread(_packed, points[start : start + _MEMBER])
                    yield Member(f"{version.name}/{number:08d}.jsonl.gz", data)
                    number += 1
                counts[version.name] += len(points)
                tell(version.name, counts[version.name], total)

    async def fits(self, about: Mapping[str, Any]) -> None:
        """Raises `StoreMismatch` where what served had vectors of another embedder than questions have here."""
        here = await self._embedding()
        for name, version in _about(about).versions.items():
            had = Embedding(version.recipe.embedder, version.recipe.dimensions, version.recipe.sparse)
            if version.serves and had != here:
                raise StoreMismatch(
                    f"{name} in the backup has the vectors of {had.embedder} ({had.dimensions} dimensions, words by "
                    f"{had.sparse}), but this configuration embeds questions with {here.embedder} ({here.dimensions}, "
                    f"{here.sparse}).",
                    hint="Set `embedder` to what it was, restore, and build a version with the other one then.",
                )

    async def held(self) -> str | None:
        """Versions of collections."""
        found = [each.name for each in await self._store.every_version()]
        return f"the vector store has {', '.join(found[:5])}{' and more' if len(found) > 5 else ''}" if found else None

    async def put_back(self, members: AsyncIterator[Member], tell: Tell, about: Mapping[str, Any]) -> None:
        """Names stand for versions again when all versions are whole; until then nobody is served from half of one."""
        wanted = _about(about).versions
        for version in await self._store.every_version():
            await self._store.discard(version.name)
        made: list[str] = []
        try:
            await self._filled(members, tell, wanted, made)
        except BaseException:
            for name in made:
                with contextlib.suppress(TandemError):
                    await self._store.discard(name)
            raise
        for name in made:
            if wanted[name].serves:
                await self._store.serve(name, instead_of=None)

    async def _filled(
        self, members: AsyncIterator[Member], tell: Tell, wanted: Mapping[str, _WireVersion], made: list[str]
    ) -> None:
        done = 0
        async for member in members:
            name, _, what = member.name.partition("/")
            if what == _VERSION:
                if name not in wanted or name in made:
                    raise damaged(f"{name[:80]!r} is not told of at its beginning")
                made.append(name)
                await self._store.put_version(name, Recipe(**wanted[name].recipe.model_dump()), _lineage(member.data))
                done = 0
                continue
            if not made or name != made[-1]:
                raise damaged(f"points of {name[:80]!r} stand in the wrong place")
            points = await asyncio.to_thread(_unpacked, member.data)
            await self._store.put_points(name, points)
            done += len(points)
            tell(name, done, max(done, wanted[name].chunks))
        if missing := set(wanted) - set(made):
            raise damaged(f"{min(missing)} is missing")


def _about(told: Mapping[str, Any]) -> _About:
    try:
        about = _About.model_validate(dict(told))
    except ValidationError as error:
        raise damaged("what it says of collections cannot be understood") from error
    if strange := [name for name in about.versions if not is_version(name)]:
        raise damaged(f"{strange[0][:80]!r} names no version")
    return about


def _lineage(data: bytes) -> Lineage:
    try:
        return _LINEAGE.validate_json(data)
    except ValidationError as error:
        raise damaged("a lineage cannot be understood") from error


def _packed(points: Sequence[StoredPoint]) -> bytes:
    return gzip.compress(b"".join(orjson.dumps(_told(point)) + b"\n" for point in points), _LEVEL, mtime=0)


def _told(point: StoredPoint) -> dict[str, Any]:
    told: dict[str, Any] = {"id": point.id, "payload": dict(point.payload)}
    if point.dense is not None and point.sparse is not None:
        told |= {
            "dense": _numbers("f", point.dense),
            "words": _numbers("I", point.sparse.indices),
            "weights": _numbers("f", point.sparse.values),
        }
    return told


def _unpacked(data: bytes) -> list[StoredPoint]:
    try:
        return [_point(orjson.loads(line)) for line in gzip.decompress(data).splitlines()]
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, struct.error) as error:
        raise damaged("points cannot be read") from error


def _point(told: Mapping[str, Any]) -> StoredPoint:
    if "dense" not in told:
        return StoredPoint(str(told["id"]), dict(told["payload"]))
    words = SparseVector(tuple(_read("I", told["words"])), tuple(_read("f", told["weights"])))
    return StoredPoint(str(told["id"]), dict(told["payload"]), _read("f", told["dense"]), words)


def _numbers(kind: str, values: Sequence[float]) -> str:
    """Little-endian, four bytes each: as stores have them, so nothing is lost."""
    return base64.b64encode(struct.pack(f"<{len(values)}{kind}", *values)).decode()


def _read(kind: str, text: str) -> Sequence[Any]:
    data = base64.b64decode(text, validate=True)
    return struct.unpack(f"<{len(data) // 4}{kind}", data)
