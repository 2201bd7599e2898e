"""One installation of the chart: helm's verbs, and what is there to reach afterwards."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from e2e.cluster import Object
from e2e.commands import ROOT, run
from e2e.forwarding import forwarded
from e2e.space import Space
from e2e.waiting import until

CHART = ROOT / "charts/tandem"
SMALL = CHART / "values-small-cpu.yaml"
_WAIT_S = 180
_PREDICTORS = "inferenceservices.serving.kserve.io"


@dataclass(frozen=True, slots=True)
class Release:
    """A release in a namespace; `base` comes between the values files and what one install or upgrade adds."""

    space: Space
    name: str
    base: Mapping[str, object]

    @property
    def gateway(self) -> str:
        """The name of the gateway's Deployment and Service."""
        return f"{self.name}-gateway"

    @property
    def url(self) -> str:
        """The gateway's, inside the cluster."""
        return f"http://{self.gateway}.{self.space.name}.svc.cluster.local"

    def up(self, *overlays: Object, files: tuple[Path, ...] = (SMALL,), chart: Path = CHART) -> float:
        """`helm upgrade --install --wait`; seconds until everything is Ready. Raises `CommandFailed`."""
        began_s = time.monotonic()
        self._upgrade(chart, files, overlays, "--wait", f"--timeout={_WAIT_S}s")
        self.predictor_ready()
        return time.monotonic() - began_s

    def begin(self, *overlays: Object, files: tuple[Path, ...] = (SMALL,)) -> None:
        """The same without waiting: for what is not going to be Ready."""
        self._upgrade(CHART, files, overlays)

    def render(self, *overlays: Object, files: tuple[Path, ...] = (SMALL,)) -> list[Object]:
        """The objects that an upgrade would make."""
        told = self._upgrade(CHART, files, overlays, "--dry-run=server", "--output=json")
        return [each for each in yaml.safe_load_all(json.loads(told)["manifest"]) if each]

    def predictor_ready(self) -> None:
        """Returns when it is, or sleeps: helm's --wait looks at no InferenceService."""
        if not self.space.cluster.serves(_PREDICTORS) or not self.space.items(_PREDICTORS):
            return
        deployment = f"{self.name}-predictor"
        until(
            f"KServe to make {deployment}", lambda: self.space.get("deployment", deployment), within_s=60, every_s=0.2
        )
        self._await("rollout", "status", f"deployment/{deployment}")
        if self.space.get("deployment", deployment)["spec"]["replicas"]:
            self._await("wait", "--for=condition=Ready", _PREDICTORS, self.name)

    def _await(self, *what: str) -> None:
        self.space.kubectl(*what, f"--timeout={_WAIT_S}s", timeout_s=_WAIT_S + 10)

    def helm(self, verb: str, *arguments: str) -> str:
        """`helm VERB RELEASE …`, for the verbs that take a release first."""
        return self.space.cluster.helm(verb, self.name, *arguments, "--namespace", self.space.name)

    @contextmanager
    def forwarded(self) -> Iterator[str]:
        """The gateway's URL on this machine."""
        with forwarded(self.space.cluster, self.space.name, f"svc/{self.gateway}", "http") as url:
            yield url

    def _upgrade(self, chart: Path, files: tuple[Path, ...], overlays: tuple[Object, ...], *flags: str) -> str:
        values = [flag for file in files for flag in ("--values", str(file))]
        command = ["helm", "upgrade", "--install", self.name, str(chart), "--namespace", self.space.name, *values]
        together = json.dumps(merged({**self.base}, *overlays))
        return run(
            [*command, "--values", "-", *flags], env=self.space.cluster.env, stdin=together, timeout_s=_WAIT_S + 60
        )


def merged(*values: Object) -> Object:
    """One set of values of several, later ones first, as helm merges them."""
    whole: Object = {}
    for each in values:
        for key, value in each.items():
            both = isinstance(value, dict) and isinstance(whole.get(key), dict)
            whole[key] = merged(whole[key], value) if both else value
    return whole
