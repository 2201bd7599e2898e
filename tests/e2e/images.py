"""The images under test: named in the environment, or built with scripts/image and brought into the cluster."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import Cluster, Object
from e2e.commands import run

_BUILD_S = 900.0
_KEPT = {"pullPolicy": "IfNotPresent"}
_NAME = "ghcr.io/tandem-rag/tandem"


@dataclass(frozen=True, slots=True)
class Images:
    """References `repository:tag`; `small` also holds the CPU model, `platform` the Kubernetes client."""

    main: str
    small: str
    platform: str

    def values(self) -> Object:
        """What makes the chart use them. They are in the cluster already, and on no registry."""
        small = {"image": named(self.small) | _KEPT}
        return {"image": named(self.main) | _KEPT, "predictor": {"runtimes": {"small": small}}}


def named(reference: str) -> Object:
    """As the chart's values name an image."""
    repository, _, tag = reference.rpartition(":")
    return {"repository": repository, "tag": tag, "digest": ""}


def images(cluster: Cluster, environment: Mapping[str, str], folder: Path) -> Images:
    """Those that `TANDEM_E2E_IMAGE`, `TANDEM_E2E_SMALL_IMAGE` and `TANDEM_E2E_PLATFORM_IMAGE` name; what they leave out is built
    by `TANDEM_E2E_BUILD` (a command with the options of scripts/image, which is the default) and loaded.
    """
    builder = shlex.split(environment.get("TANDEM_E2E_BUILD", "scripts/image"))
    return Images(
        environment.get("TANDEM_E2E_IMAGE") or _built(cluster, builder, "plain", folder),
        environment.get("TANDEM_E2E_SMALL_IMAGE") or _built(cluster, builder, "small", folder),
        environment.get("TANDEM_E2E_PLATFORM_IMAGE")
        or _built(cluster, builder, "plain", folder, name="platform", more=("--", "--build-arg", "EXTRA=platform")),
    )


def _built(
    cluster: Cluster, builder: Sequence[str], variant: str, folder: Path, *, name: str = "", more: Sequence[str] = ()
) -> str:
    # A tag of its own: kubelets would take an image of the released name from a registry.
    reference, archive = f"{_NAME}:e2e-{name or variant}", folder / f"{name or variant}.tar"
    command = [*builder, "--variant", variant, "--tag", reference, "--output", str(archive), *more]
    run(command, env=cluster.env, timeout_s=_BUILD_S)
    cluster.load_image(archive)
    archive.unlink()
    return reference
