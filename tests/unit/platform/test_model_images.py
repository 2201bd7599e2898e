"""What a model as an image needs of KServe and of the cluster."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tandem.domain.errors import ConfigurationError
from tandem.domain.model_version import ModelFile, ModelVersion
from tandem.platform.cluster import Cluster, Refused, Server
from tandem.platform.models.deploying import check
from tandem.platform.models.images import check_image
from tandem.platform.models.services import Found

DIGEST = f"sha256:{'a' * 64}"
SETTINGS = "/api/v1/namespaces/kserve/configmaps/inferenceservice-config"


@dataclass
class Read:
    """A cluster of a version, and what of it may be read."""

    version: str = "v1.35.0"
    found: dict[str, Any] = field(default_factory=dict)
    namespace: str = "rag"

    def read(self, path: str) -> Any:
        if path not in self.found:
            raise Refused(403, "no right to read it")
        return self.found[path]

    def items(self, path: str) -> Any:
        raise Refused(403, "no right to read it")

    def server(self) -> Server:
        return Server(self.version, datetime.now(UTC))


def cluster(version: str = "v1.35.0", enforced: str = "baseline", **settings: Any) -> Cluster:
    namespace = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": enforced}}}
    told = {"data": {"storageInitializer": json.dumps({"enableModelcar": True} | settings)}}
    return cast("Cluster", Read(version, {SETTINGS: told, "/api/v1/namespaces/rag": namespace}))


def service(engine: str, **predictor: Any) -> dict[str, Any]:
    told = {"tgi": {"env": [{"name": "MODEL_ID", "value": "m"}]}, "vllm": {"args": ["--model=m"]}}[engine]
    return {"metadata": {"name": "tandem"}, "spec": {"predictor": {"model": told, **predictor}}}


def version(scheme: str = "oci", *, private: bool = False) -> ModelVersion:
    files = (ModelFile("m.safetensors", None),)
    uri = f"{scheme}://registry/org/m@{DIGEST}"
    return ModelVersion("tuned", f"{scheme}://registry/org/m", "v1", DIGEST, uri, files, gated=private)


def test_a_modelcar_beside_vllm_is_fine() -> None:
    assert check_image(cluster(), service("vllm"), version()) == []


def test_a_modelcar_cannot_stand_beside_tgi_but_its_volume_can() -> None:
    with pytest.raises(ConfigurationError, match="a user that TGI's image cannot be") as told:
        check_image(cluster(), service("tgi"), version())
    assert "oci+native://" in (told.value.hint or "")
    assert check_image(cluster(), service("tgi"), version("oci+native")) == []
    assert check_image(cluster(ociModelMode="native"), service("tgi"), version()) == []
    assert check_image(cluster(ociModelMode="fetch"), service("tgi"), version()) == []


def test_restricted_pods_have_no_modelcar() -> None:
    with pytest.raises(ConfigurationError, match="rag enforces restricted pod security"):
        check_image(cluster(enforced="restricted"), service("vllm"), version())
    assert check_image(cluster(enforced="restricted"), service("vllm"), version("oci+native")) == []


@pytest.mark.parametrize("scheme", ["oci", "oci+native"])
def test_a_kserve_that_mounts_no_images(scheme: str) -> None:
    with pytest.raises(ConfigurationError, match="KServe mounts no images here") as told:
        check_image(cluster(enableModelcar=False), service("vllm"), version(scheme))
    assert "enableModelcar" in (told.value.hint or "")


def test_volumes_of_images_come_with_kubernetes() -> None:
    with pytest.raises(ConfigurationError, match=r"The cluster is v1\.32\.4"):
        check_image(cluster("v1.32.4"), service("tgi"), version("oci+native"))
    (said,) = check_image(cluster("v1.34.1"), service("tgi"), version("oci+native"))
    assert "ImageVolume" in said


def test_what_cannot_be_looked_at_is_said() -> None:
    blind = cast("Cluster", Read())
    said = check_image(blind, service("vllm"), version(private=True))
    assert [each.split(",")[0] for each in said] == [
        "whether its pod security lets KServe's modelcar run",
        "whether KServe mounts images",
        "whether the nodes may pull the image",
    ]
    logged_in = service("vllm", imagePullSecrets=[{"name": "registry"}])
    assert check_image(cluster(), logged_in, version(private=True)) == []


def test_all_that_was_not_checked_is_one_line() -> None:
    said = check(cluster(), Found(service("vllm"), None), version(private=True))
    assert said == (
        "whether it fits, since the size of its weights is not known; whether the nodes may pull the image, which wants a "
        "login and the predictor has no imagePullSecrets"
    )


def test_an_artefact_is_refused_with_the_way_out() -> None:
    artefact = ModelVersion("tuned", "oci://registry/m", "v1", DIGEST, "", unserved="a node cannot mount it")
    with pytest.raises(ConfigurationError, match="a node cannot mount it") as told:
        check(cluster(), Found(service("vllm"), None), artefact)
    assert "served_from" in (told.value.hint or "")
