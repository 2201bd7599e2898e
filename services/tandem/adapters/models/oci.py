"""A registry of images: a model as an image with its files in /models, or as an artefact of files."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from hashlib import file_digest, sha256
from pathlib import Path

import aiohttp

from tandem.adapters.models.described import (
    CARD,
    CONFIG,
    MOST_BYTES,
    ancestry_of,
    chosen,
    place_in,
    shape_of,
    unwritten,
)
from tandem.adapters.models.oci_archive import WORK, Part, Seen, begun, unpack
from tandem.adapters.models.oci_login import login_of
from tandem.adapters.models.oci_manifest import Layer, Manifest, manifest_of, one_of
from tandem.adapters.models.oci_registry import Login, RegistryRefused, Repository, parsed, session
from tandem.domain.errors import ConfigurationError, PermissionDenied, TandemError, UnknownModel, UpstreamUnavailable
from tandem.domain.model_version import Ancestry, ModelFile, ModelVersion
from tandem.ports.models import Tell

_SOURCE = re.compile(
    r"(?P<scheme>oci(\+native)?)://(?P<image>[a-z0-9.-]+(:\d+)?/[a-z0-9._/-]+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?)"
)
# The beginning of a layer, in which the small files lie: weights come after them.
_LOOK_BYTES = 4 << 20
_CHUNK = 1 << 20
_TOLD = 20
_FILES = "it is an artefact of files, which a node cannot mount: KServe takes images with the model in /models"
_EMPTY = "the image has no file in /models, where KServe looks"


class OciModel:
    """`ports/models.py` for `oci://REGISTRY/REPOSITORY:TAG` or `…@sha256:DIGEST`; `oci+native://` is the same for whoever pulls
    it, and a volume of the image's own for a predictor. `docker_config` has the logins (None: ~/.docker/config.json).
    """

    def __init__(self, name: str, source: str, docker_config: Path | None = None, file: str = "") -> None:
        found = _SOURCE.fullmatch(source)
        if found is None:
            raise ConfigurationError(
                f"{source} names no image of a registry.", hint="Write oci://REGISTRY/REPOSITORY:TAG, or @sha256:DIGEST in place of the tag."
            )  # fmt: skip
        self._name = name
        self._scheme = found["scheme"]
        self._image = parsed(found["image"])
        self._docker_config = docker_config
        self._file = file

    async def resolve(self) -> ModelVersion:
        """The digest that the tag is now; of archives only the beginning is read."""
        async with self._opened() as repository:
            digest, content = await self._read(repository, self._image.reference)
            manifest = await self._manifest(repository, content)
            seen = await self._seen(repository, manifest)
            told = await self._told(repository, manifest)
            private = repository.asked_to_log_in and await self._login() is not None
        listed = chosen(tuple(seen.files.values()), self._file if seen.whole else "", self._image.name)
        if seen.whole and not any(each.format for each in listed):
            where = "no weights in /models" if manifest.image else "no weights"
            raise UnknownModel(
                f"{self._image.name} holds {where}.", hint="docs/registry.md tells what an image of a model looks like.", param="model"
            )  # fmt: skip
        served = manifest.image and (bool(listed) or not seen.whole)
        return ModelVersion(
            self._name, f"{self._scheme}://{self._image.name}", self._image.reference, digest,
            f"{self._scheme}://{self._image.name}@{digest}" if served else "", listed,
            told.over(ancestry_of(seen.texts.get(CARD))), shape_of(seen.texts.get(CONFIG)), private,
            unserved="" if served else _EMPTY if manifest.image else _FILES,
        )  # fmt: skip

    async def pull(self, version: ModelVersion, folder: str, tell: Tell) -> None:
        """Layer by layer, of several weights the one that was named; each is held to its digest, and goes on where it was cut off."""
        async with self._opened() as repository:
            _, content = await self._read(repository, version.version)
            manifest = await self._manifest(repository, content)
            kept = {each.path for each in version.files}
            layers = [each for each in manifest.layers if each.packed or each.path in kept]
            total, done = sum(each.size for each in layers), 0
            part, work = Part(self._image.name, manifest.image), Path(folder) / WORK
            work.mkdir(exist_ok=True)
            for layer in layers:
                target = place_in(Path(folder), layer.path) if layer.path else work / f"{layer.digest[7:]}.done"
                if not await asyncio.to_thread(_there, target, layer):
                    blob = await self._fetched(repository, layer, work, partial(_further, tell, done, total))
                    await asyncio.to_thread(_place, blob, target, layer, part)
                done += layer.size
                tell(done, total)
            await asyncio.to_thread(shutil.rmtree, work)

    async def _fetched(self, repository: Repository, layer: Layer, work: Path, came: Callable[[int], None]) -> Path:
        blob = work / layer.digest[7:]
        have = blob.stat().st_size if blob.exists() else 0
        if have < layer.size:
            async with repository.blob(layer.digest, have) as reply:
                have = have if reply.status == 206 else 0
                with blob.open("ab" if have else "wb") as file:
                    async for chunk in reply.content.iter_chunked(_CHUNK):
                        file.write(chunk)
                        have += len(chunk)
                        came(min(have, layer.size))
        if await asyncio.to_thread(_digest, blob) != layer.digest:
            blob.unlink()
            raise self._other_bytes(layer.digest)
        return blob

    async def _whole(self, repository: Repository, layer: Layer) -> bytes:
        """Of a small one."""
        found = await _bytes(repository, layer, 0, layer.size)
        if f"sha256:{sha256(found).hexdigest()}" != layer.digest:
            raise self._other_bytes(layer.digest)
        return found

    def _other_bytes(self, digest: str) -> UpstreamUnavailable:
        return UpstreamUnavailable(f"{self._image.registry} sent other bytes than {digest} says.", hint="Try it again.")

    async def _read(self, repository: Repository, reference: str) -> tuple[str, bytes]:
        """A manifest and its digest, which is the one that it was named by."""
        digest, content = await repository.manifest(reference)
        if reference.startswith("sha256:") and reference != digest:
            raise self._other_bytes(reference)
        return digest, content

    async def _manifest(self, repository: Repository, content: bytes) -> Manifest:
        inner = one_of(content, self._image.name)
        if inner is not None:
            _, content = await self._read(repository, inner)
        return manifest_of(content, self._image.name)

    async def _seen(self, repository: Repository, manifest: Manifest) -> Seen:
        """All layers, one upon the other."""
        files: dict[str, ModelFile] = {}
        texts: dict[str, bytes] = {}
        whole = True
        for layer in manifest.layers:
            found = await self._seen_in(repository, layer, Part(self._image.name, manifest.image))
            for path in [each for each in files if any(_below(each, gone) for gone in found.gone)]:
                del files[path]
                texts.pop(path, None)
            files |= found.files
            texts |= found.texts
            whole = whole and found.whole
        return Seen(files, texts, whole=whole)

    async def _seen_in(self, repository: Repository, layer: Layer, part: Part) -> Seen:
        if layer.path:
            file = ModelFile(layer.path, layer.size, layer.digest.removeprefix("sha256:"))
            wanted = layer.path in {CONFIG, CARD} and layer.size <= MOST_BYTES
            text = {layer.path: await self._whole(repository, layer)} if wanted else {}
            return Seen({layer.path: file}, text)
        if layer.packed == "zstd":
            return Seen(whole=False)
        start: int | None = 0
        found = Seen()
        while start is not None:
            content = await _bytes(repository, layer, start, min(start + _LOOK_BYTES, layer.size))
            more = begun(content, layer, start, (CONFIG, CARD), part)
            onwards = more.further if more.further is not None and start < more.further < layer.size else None
            found = Seen(found.files | more.files, found.texts | more.texts, found.gone + more.gone, None, more.whole)
            # An archive ends with empty blocks: beyond its last file there is nothing to see.
            start = onwards
        return found if found.whole else _cut_short(found)

    async def _told(self, repository: Repository, manifest: Manifest) -> Ancestry:
        """By annotations of the manifest, else labels of the image."""
        labels: dict[str, str] = {}
        if manifest.image and manifest.config.size <= MOST_BYTES:
            config = await self._whole(repository, manifest.config)
            try:
                labels = json.loads(config)["config"].get("Labels") or {}
            except (ValueError, LookupError, TypeError, AttributeError):
                labels = {}
        told = {**labels, **manifest.annotations}
        return Ancestry(*(told.get(f"tandem.dev/{key}") for key in ("dataset", "training-run", "base-model")))

    async def _login(self) -> Login | None:
        return await login_of(self._image, self._docker_config)

    @asynccontextmanager
    async def _opened(self) -> "AsyncIterator[Repository]":
        login = await self._login()
        async with session() as http:
            repository = Repository(http, self._image, login)
            try:
                yield repository
            except TandemError:
                raise
            except RegistryRefused as refused:
                raise await self._refused(repository, refused, login) from refused
            except (aiohttp.ClientError, OSError) as error:
                ours = unwritten(error)
                if ours is not None:
                    raise ours from error
                said = " ".join(str(error).split())[:200] or type(error).__name__
                raise UpstreamUnavailable(
                    f"No registry answers at {self._image.registry}: {said}",
                    hint="Check its name and the network. It is asked over HTTPS, on this machine alone over HTTP.",
                ) from error

    async def _refused(self, repository: Repository, refused: RegistryRefused, login: Login | None) -> TandemError:
        image = self._image
        if refused.status in {401, 403}:
            return _denied(image.name, image.registry, str(refused), login)
        if refused.status in {400, 404}:
            return await self._absent(repository, refused)
        return UpstreamUnavailable(
            f"{image.registry} answers {refused.status} for {image.repository}: {refused}", hint="Try again in a while."
        )

    async def _absent(self, repository: Repository, refused: RegistryRefused) -> UnknownModel:
        """Registries tell an absent repository from an absent tag only where they list tags."""
        image, there = self._image, list[str]()
        kind = "digest" if image.reference.startswith("sha256:") else "tag"
        try:
            there = await repository.tags()
        except RegistryRefused as other:
            refused = other
        except (aiohttp.ClientError, TimeoutError):
            pass
        if refused.code == "NAME_UNKNOWN":
            return UnknownModel(
                f"{image.registry} has no repository {image.repository}.", hint="Check its name.", param="model"
            )
        tags = f"It has {', '.join(sorted(there)[-_TOLD:])}." if there else "Check its name."
        return UnknownModel(f"{image.name} has no {kind} {image.reference}.", hint=tags, param="model")


def _denied(name: str, registry: str, said: str, login: Login | None) -> PermissionDenied:
    if login is None:
        return PermissionDenied(
            f"{registry} does not let everybody read {name}, and nobody is logged in there: {said}",
            hint=f"docker login {registry}, or name a file with logins in models.NAME.docker_config. Some registries say so of what does not exist.",
        )
    who = login.user or "the token"
    return PermissionDenied(
        f"{registry} does not let {who} read {name}: {said}",
        hint=f"Ask for the right to pull it, or log in anew: docker login {registry}.",
    )


async def _bytes(repository: Repository, layer: Layer, start: int, end: int) -> bytes:
    """Those, also from a registry that knows no ranges."""
    found = bytearray()
    if end <= start:
        return b""
    async with repository.blob(layer.digest, start, end) as reply:
        before = start if reply.status == 200 else 0
        async for chunk in reply.content.iter_chunked(_CHUNK):
            found += chunk
            if len(found) >= before + end - start:
                break
    return bytes(found[before : before + end - start])


def _further(tell: Tell, done: int, total: int, size: int) -> None:
    tell(done + size, total)


def _cut_short(found: Seen) -> Seen:
    """There may be more files in it: what its weights take together is not known."""
    files = {path: ModelFile(path, None if each.format else each.size) for path, each in found.files.items()}
    return Seen(files, found.texts, found.gone, whole=False)


def _below(path: str, gone: str) -> bool:
    return not gone or path == gone or path.startswith(f"{gone}/")


def _there(target: Path, layer: Layer) -> bool:
    if not target.exists():
        return False
    return not layer.path or (target.stat().st_size == layer.size and _digest(target) == layer.digest)


def _place(blob: Path, target: Path, layer: Layer, part: Part) -> None:
    if layer.path:
        blob.replace(target)
        return
    unpack(blob, target.parent.parent, layer, part)
    target.touch()
    blob.unlink()


def _digest(path: Path) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        return f"sha256:{file_digest(file, 'sha256').hexdigest()}"
