"""Archives within a model: what the beginning of one shows, and its files brought to a folder."""

import io
import shutil
import sys
import tarfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from tandem.adapters.models.described import MOST_BYTES, place_in
from tandem.adapters.models.oci_manifest import Layer
from tandem.domain.errors import ConfigurationError
from tandem.domain.model_version import ModelFile

_MODELS = "models"
# How a layer tells what it takes away of those below: one path, or all of a folder.
_GONE, _OPAQUE = ".wh.", ".wh..wh..opq"
_CUT = (tarfile.TarError, EOFError, zlib.error)
_BLOCK = 512
# What is beside the model while it is brought.
WORK = ".oci"


@dataclass(frozen=True, slots=True)
class Part:
    """Whose archive it is: of an image only /models counts. `name` is for people."""

    name: str
    image: bool

    def within(self, path: str) -> str | None:
        """Within the model; None for what lies beside it."""
        bare = path.removeprefix("./").rstrip("/")
        if self.image:
            top, _, bare = bare.lstrip("/").partition("/")
            if top in {_OPAQUE, f"{_GONE}{_MODELS}"}:
                return _OPAQUE
            if top != _MODELS:
                return None
        return bare if bare not in {"", "."} else None

    def hidden(self, path: str) -> str | None:
        """What that file takes away, empty: everything; None for a file like any other."""
        folder, _, last = path.rpartition("/")
        if not self.image or not last.startswith(_GONE):
            return None
        return folder if last == _OPAQUE else f"{folder}/{last.removeprefix(_GONE)}".lstrip("/")


@dataclass(frozen=True, slots=True)
class Seen:
    """By path: `files`, and `texts` of those that were asked for. `gone` is what it takes away of layers below. `further` is
    where the next file begins, None where nobody knows; `whole`: all was seen.
    """

    files: dict[str, ModelFile] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    further: int | None = None
    whole: bool = True


def begun(content: bytes, layer: Layer, start: int, wanted: tuple[str, ...], part: Part) -> Seen:
    """What its bytes from `start` on show; they may end anywhere."""
    files: dict[str, ModelFile] = {}
    texts: dict[str, bytes] = {}
    gone: list[str] = []
    end, whole = 0, start + len(content) >= layer.size
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r|gz" if layer.packed == "gzip" else "r|") as archive:
            for member in archive:
                end = member.offset
                path = part.within(member.name)
                taken = None if path is None else part.hidden(path)
                if taken is not None:
                    gone.append(taken)
                elif path is not None and not member.isdir():
                    files[path] = ModelFile(path, member.size if member.isfile() else None)
                    if path in wanted and member.isfile() and member.size <= MOST_BYTES:
                        text = archive.extractfile(member)
                        texts[path] = text.read() if text else b""
                end = member.offset_data + (-(-member.size // _BLOCK) * _BLOCK if member.isfile() else 0)
    except _CUT:
        whole = False
    return Seen(files, texts, tuple(gone), start + end if layer.packed == "tar" and not whole and end else None, whole)


def unpack(archive: Path, folder: Path, layer: Layer, part: Part) -> None:
    """Its files into `folder`; links become what they point at. Raises `ConfigurationError` for what is no such archive."""
    if layer.packed == "zstd" and sys.version_info < (3, 14):
        raise ConfigurationError(
            f"{part.name} is packed with zstd, which Python reads from 3.14 on.",
            hint="Build it with gzip, or unpacked.",
        )
    written: set[str] = set()
    try:
        with tarfile.open(archive, "r:*") as opened:
            for member in opened:
                path = part.within(member.name)
                if path is None or member.isdir():
                    continue
                taken = part.hidden(path)
                if taken is not None:
                    _remove(folder, taken, written)
                    continue
                _write(opened, member, place_in(folder, path), part)
                written.add(path)
    except _CUT as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigurationError(
            f"{part.name} has a layer that is no archive: {said}", hint="Build and push it again."
        ) from error


def _write(opened: tarfile.TarFile, member: tarfile.TarInfo, target: Path, part: Part) -> None:
    try:
        content = opened.extractfile(member)
    except KeyError:
        content = None
    if content is None:
        raise ConfigurationError(
            f"{part.name} holds {member.name}, which is no file, or a link to none in the same layer.",
            hint="Build it with the files themselves.",
        )
    with target.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)


def _remove(folder: Path, path: str, written: set[str]) -> None:
    """Of the layers below: what this one has written stays."""
    top = place_in(folder, path) if path else folder
    for each in [top] if top.is_file() else list(top.rglob("*")):
        below = each.relative_to(folder).as_posix()
        if each.is_file() and below not in written and not below.startswith(f"{WORK}/"):
            each.unlink()
