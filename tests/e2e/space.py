"""One module's namespace: restricted pod security is enforced in it, and what fails in it can be looked at."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import Cluster, Object
from e2e.commands import CommandFailed
from e2e.pods import pod, script, service
from e2e.waiting import until


@dataclass(frozen=True, slots=True)
class Space:
    """A namespace. `image` is the product's, which also runs the tests' scripts."""

    cluster: Cluster
    name: str
    image: str

    def kubectl(self, *arguments: str, timeout_s: float = 120.0) -> str:
        """kubectl in this namespace."""
        return self.cluster.kubectl("--namespace", self.name, *arguments, timeout_s=timeout_s)

    def get(self, *arguments: str) -> Object:
        """One object of this namespace."""
        return self.cluster.get("--namespace", self.name, *arguments)

    def items(self, *arguments: str) -> list[Object]:
        """All objects of some kind in this namespace."""
        return self.cluster.items("--namespace", self.name, *arguments)

    def pods(self, component: str) -> list[Object]:
        """The chart's pods of one workload that are not on their way out."""
        found = self.items("pods", "--selector", f"app.kubernetes.io/component={component}")
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def secret(self, name: str, data: Mapping[str, str]) -> None:
        """A Secret with these entries."""
        self.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": self.name},
                "stringData": dict(data),
            }
        )

    def start(self, name: str, source: Path, arguments: Sequence[str], env: Mapping[str, str]) -> None:
        """Run a script in a pod of its own; `output` waits for its end."""
        self.cluster.apply(script(self.name, name, source), pod(self.name, name, self.image, arguments, env=env))

    def output(self, name: str, *, within_s: float) -> str:
        """What the pod `name` printed, once it has ended well. Raises `AssertionError`."""
        phase = until(f"the end of pod {name}", lambda: self._ended(name), within_s=within_s, every_s=1.0)
        said = self.kubectl("logs", name)
        assert phase == "Succeeded", f"pod {name} {phase}: {said[-3000:]}"
        self.kubectl("delete", f"pod/{name}", f"configmap/{name}", "--wait=false")
        return said

    def _ended(self, name: str) -> str:
        phase = self.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}")
        return phase if phase in {"Succeeded", "Failed"} else ""

    def serve(
        self, name: str, source: Path, arguments: Sequence[str], port: int, labels: Mapping[str, str] | None = None
    ) -> None:
        """Run a server of the tests' own behind a Service of the same name and port; returns when it is ready."""
        self.cluster.apply(
            script(self.name, name, source),
            service(self.name, name, port, port),
            pod(self.name, name, self.image, arguments, port=port, labels=labels, lasting=True),
        )
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")

    def reaches(self, within: str, *addresses: str) -> dict[str, bool]:
        """Which addresses (HOST:PORT) the container of pod `within` can connect to."""
        program = (Path(__file__).parent / "inside/reach.py").read_text(encoding="utf-8")
        found: dict[str, bool] = json.loads(self.kubectl("exec", within, "--", "python", "-c", program, *addresses))
        return found


@contextlib.contextmanager
def space(cluster: Cluster, name: str, image: str, *, keep: bool, standard: str = "restricted") -> Iterator[Space]:
    """A fresh namespace; it is deleted at the end, unless it is to be kept for a look."""
    with contextlib.suppress(CommandFailed):
        cluster.kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=90s")
    security = {
        "pod-security.kubernetes.io/enforce": standard,
        "pod-security.kubernetes.io/enforce-version": "latest",
    }
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"tandem-e2e": "space", **security}},
        }
    )
    until(
        f"a service account in {name}",
        lambda: cluster.get("--namespace", name, "serviceaccount", "default"),
        within_s=20,
    )
    try:
        yield Space(cluster, name, image)
    finally:
        if not keep:
            cluster.kubectl("delete", "namespace", name, "--wait=false")
