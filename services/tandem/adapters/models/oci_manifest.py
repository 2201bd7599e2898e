"""What a manifest says of a model: an image with files in /models, or an artefact of files as ORAS, KitOps and ModelPack make it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from tandem.domain.errors import UnknownModel

_INDICES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_IMAGES = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
# ModelPack's name of a file goes before the one that everybody writes.
_NAMES = ("org.cncf.model.filepath", "org.opencontainers.image.title")
_UNPACK = "io.deis.oras.content.unpack"
_OF_MODELS = ("application/vnd.cncf.model.", "application/vnd.kitops.modelkit.")
_OTHER = (".dataset.", ".modelkit.prompt.")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

Packed = Literal["", "tar", "gzip", "zstd"]


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob of `size` bytes. Not `packed`: it is the file `path`; else an archive, whose files tell their paths themselves."""

    digest: str
    size: int
    path: str = ""
    packed: Packed = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`image`: its layers are a file system with the model in /models, and `config` is the blob that configures it."""

    image: bool
    layers: tuple[Layer, ...]
    annotations: Mapping[str, str]
    config: Layer


def one_of(content: bytes, name: str) -> str | None:
    """Of an index the manifest to look at, since platforms differ in no model; None for a manifest."""
    told = _told(content, name)
    if told.get("mediaType") not in _INDICES and "manifests" not in told:
        return None
    try:
        found = [each for each in told.get("manifests") or () if _platform(each)[0] != "unknown"]
        found.sort(key=lambda each: _platform(each) != ("linux", "amd64"))
        digests = [_digest(each) for each in found]
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise UnknownModel(f"{name} is no index of images.", hint=_KINDS, param="model") from error
    if not digests:
        raise UnknownModel(f"{name} is an empty index.", hint="Name another tag.", param="model")
    return digests[0]


def manifest_of(content: bytes, name: str) -> Manifest:
    """Raises `UnknownModel` for what holds no model."""
    told = _told(content, name)
    try:
        config = told["config"]
        image = config.get("mediaType") in _IMAGES
        layers = tuple(_layer(each, image=image) for each in told["layers"])
        annotations = {str(key): str(value) for key, value in (told.get("annotations") or {}).items()}
        kept = tuple(each for each in layers if each is not None)
        return Manifest(image, kept, annotations, Layer(_digest(config), int(config["size"])))
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise UnknownModel(f"{name} is no image, nor an artefact of files.", hint=_KINDS, param="model") from error


_KINDS = "docs/registry.md tells which kinds of images and artefacts are read."


def _told(content: bytes, name: str) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except ValueError as error:
        raise UnknownModel(f"{name} is no image, nor an artefact of files.", hint=_KINDS, param="model") from error
    if not isinstance(told, dict):
        raise UnknownModel(f"{name} is no image, nor an artefact of files.", hint=_KINDS, param="model")
    return told


def _platform(told: Mapping[str, Any]) -> tuple[str, str]:
    found = told.get("platform") or {}
    return str(found.get("os", "")), str(found.get("architecture", ""))


def _layer(told: Mapping[str, Any], *, image: bool) -> Layer | None:
    """None: it belongs to something else than the model."""
    kind, notes = str(told.get("mediaType") or ""), told.get("annotations") or {}
    if any(each in kind for each in _OTHER):
        return None
    digest, size = _digest(told), int(told["size"])
    if image:
        return Layer(digest, size, packed=_packing(kind))
    if notes.get(_UNPACK) == "true":
        return Layer(digest, size, packed="gzip" if "gzip" in kind else "tar")
    if kind.startswith(_OF_MODELS) and ".tar" in kind:
        return Layer(digest, size, packed=_packing(kind))
    path = next((str(notes[each]) for each in _NAMES if notes.get(each)), "")
    return Layer(digest, size, PurePosixPath(path).as_posix()) if path else None


def _digest(told: Mapping[str, Any]) -> str:
    """It becomes a part of paths."""
    digest = str(told["digest"])
    if not _DIGEST.fullmatch(digest):
        raise ValueError(digest)
    return digest


def _packing(kind: str) -> Packed:
    return "zstd" if "zstd" in kind else "gzip" if "gzip" in kind else "tar"
