"""A model as an image: the layers of a base that has a shell, and one with the model upon them; in a registry and in an archive."""

import json
import tarfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from fakes.image_registry import IMAGE_CONFIG, LAYER, MANIFEST, ImageRegistry, archive

_BLOBS = "blobs/sha256/"


def pushed(
    registry: ImageRegistry, tag: str, base: Path, files: Mapping[str, bytes], notes: Mapping[str, str], to: Path
) -> str:
    """Its digest in the registry; `to` is an archive of the same image, by the name that a node is asked for it."""
    with tarfile.open(base) as held:
        manifest, config = _described(held)
        layers = [(each["mediaType"], _blob(held, each["digest"])) for each in manifest["layers"]]
    model = archive(files)
    config["rootfs"]["diff_ids"].append(_digest(model))
    # What made the layers below is of no interest, and would have to be told of all.
    config = {key: config[key] for key in ("architecture", "os", "rootfs")} | {"config": {"Labels": dict(notes)}}
    blobs = [(IMAGE_CONFIG, json.dumps(config).encode()), *layers, (LAYER, model)]
    first, *others = [registry.blob(content, kind) for kind, content in blobs]
    told = {"schemaVersion": 2, "mediaType": MANIFEST, "config": first, "layers": others}
    digest = registry.manifest(tag, told)
    whole = json.dumps(told).encode()
    assert _digest(whole) == digest
    name = f"{registry.host}/{registry.repository}@{digest}"
    entry = {
        "mediaType": MANIFEST,
        "digest": digest,
        "size": len(whole),
        "annotations": {"io.containerd.image.name": name},
    }
    index = {"schemaVersion": 2, "manifests": [entry]}
    contents = {f"{_BLOBS}{_digest(each)[7:]}": each for each in (whole, *(content for _, content in blobs))}
    layout = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index).encode()}
    to.write_bytes(archive(layout | contents))
    return digest


def _described(held: tarfile.TarFile) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and configuration of the one image of an archive."""
    index = held.extractfile("index.json")
    assert index is not None
    manifest = json.loads(_blob(held, json.load(index)["manifests"][0]["digest"]))
    return manifest, json.loads(_blob(held, manifest["config"]["digest"]))


def _blob(held: tarfile.TarFile, digest: str) -> bytes:
    found = held.extractfile(f"{_BLOBS}{digest.removeprefix('sha256:')}")
    assert found is not None
    return found.read()


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"
