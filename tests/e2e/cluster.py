"""The cluster that the tests use: kubectl and helm against one kubeconfig, and how images come into it."""

import json
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.commands import run

Object = dict[str, Any]
_LOADERS = {
    "kind": "kind load image-archive --name tandem-e2e",
    "k3d": "k3d image import --cluster tandem-e2e",
}


class NoCluster(Exception):
    """There is none that these tests may use; the message says what enables them."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """`load` takes an image archive's path as its last argument."""

    provider: str
    load: tuple[str, ...]
    env: Mapping[str, str]

    def kubectl(self, *arguments: str, stdin: str = "", timeout_s: float = 120.0) -> str:
        """Its output; raises `CommandFailed`."""
        return run(["kubectl", *arguments], env=self.env, stdin=stdin, timeout_s=timeout_s)

    def helm(self, *arguments: str, stdin: str = "", timeout_s: float = 300.0) -> str:
        """Its output; raises `CommandFailed`."""
        return run(["helm", *arguments], env=self.env, stdin=stdin, timeout_s=timeout_s)

    def apply(self, *objects: Object) -> None:
        """Make these objects so."""
        whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=whole)

    def get(self, *arguments: str) -> Object:
        """One object, or the list of some kind."""
        found: Object = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def items(self, *arguments: str) -> list[Object]:
        """All objects of some kind."""
        found: list[Object] = self.get(*arguments)["items"]
        return found

    def serves(self, resource: str) -> bool:
        """True when the API server knows this kind, `inferenceservices.serving.kserve.io` say."""
        group = resource.partition(".")[2]
        return resource in self.kubectl("api-resources", f"--api-group={group}", "--output=name").split()

    def load_image(self, archive: Path) -> None:
        """Bring an archive of `docker save` or an OCI one to every node."""
        run([*self.load, str(archive)], env=self.env, timeout_s=300)


def from_environment(environment: Mapping[str, str]) -> Cluster:
    """What `TANDEM_E2E_PROVIDER` names. A kubeconfig alone is not enough: it may be of a cluster that matters."""
    provider = environment.get("TANDEM_E2E_PROVIDER", "")
    if not provider:
        raise NoCluster(
            "no cluster for the end-to-end tests: see scripts/e2e, or set TANDEM_E2E_PROVIDER and KUBECONFIG"
        )
    if provider not in {"kind", "k3d", "existing"}:
        raise NoCluster(f"TANDEM_E2E_PROVIDER is {provider!r}; it can be kind, k3d or existing")
    missing = [
        name for name in ("kubectl", "helm") if shutil.which(name, path=environment.get("PATH", os.defpath)) is None
    ]
    if missing:
        raise NoCluster(f"no {' and no '.join(missing)} on PATH for the end-to-end tests")
    load = environment.get("TANDEM_E2E_LOAD", _LOADERS.get(provider, ""))
    return Cluster(provider, tuple(_words(load)), dict(environment))


def _words(command: str) -> Sequence[str]:
    return shlex.split(command)
