"""Renders the chart without a cluster: values in, objects out, or the one line that it refuses them with."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from charts.programs import program

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/tandem"
# What a cluster with everything serves; offline nobody can be asked.
APIS = (
    "serving.kserve.io/v1beta1",
    "serving.kserve.io/v1alpha1",
    "keda.sh/v1alpha1",
    "monitoring.coreos.com/v1",
    "gateway.networking.k8s.io/v1",
)
PROFILES = ("values-8b-a10g.yaml", "values-30b-a100.yaml", "values-small-cpu.yaml")

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """Values of which an installation could be made: files in the order of `-f`, and where it goes."""

    name: str
    files: tuple[Path, ...]
    namespace: str = "rag"


def cases() -> Iterator[Case]:
    """Everything that the chart is seen with: the test matrix, the examples, the environments."""
    for path in sorted((CHART / "ci").glob("*-values.yaml")):
        yield Case(f"ci/{path.name.removesuffix('-values.yaml')}", (path,))
    for folder in sorted((CHART / "examples").iterdir()):
        if folder.is_dir():
            yield Case(f"examples/{folder.name}", example(folder))
    for path in sorted((ROOT / "manifests/environments").glob("*/values.yaml")):
        profile = {"production": "values-30b-a100.yaml", "staging": "values-8b-a10g.yaml"}.get(path.parent.name)
        files = (CHART / (profile or "values-small-cpu.yaml"), path)
        yield Case(f"environments/{path.parent.name}", files)
        if (tier := path.with_name("retrievers.yaml")).is_file():
            yield Case(f"environments/{path.parent.name}-retrievers", (*files, tier))


def example(folder: Path) -> tuple[Path, ...]:
    """The files of an example: the hardware profile that its first line names, then its own values."""
    own = folder / "values.yaml"
    profile = own.read_text().split("\n", 1)[0].partition("With ")[2].split(":")[0].strip()
    return (CHART / profile, own) if profile else (own,)


def arguments(
    *files: Path,
    apis: tuple[str, ...] = APIS,
    release: str = "tandem",
    namespace: str = "rag",
    version: str = "1.34.0",
) -> list[str]:
    """The command that renders the chart with values from files."""
    command = [program("helm"), "template", release, str(CHART), "--namespace", namespace, "--kube-version", version]
    command += [word for api in apis for word in ("--api-versions", api)]
    return command + [word for file in files for word in ("-f", str(file))]


def run(
    values: Mapping[str, Any], *files: Path, unchecked: bool = False, **where: Any
) -> "subprocess.CompletedProcess[str]":
    """Renders with further values; `unchecked` leaves the schema of the values out."""
    command = [*arguments(*files, **where), "-f", "-", *(["--skip-schema-validation"] if unchecked else [])]
    return subprocess.run(command, input=json.dumps(values), check=False, capture_output=True, text=True, timeout=60)


@cache
def _text(files: tuple[Path, ...], values: str, namespace: str, release: str, apis: tuple[str, ...]) -> str:
    done = run(json.loads(values), *files, namespace=namespace, release=release, apis=apis)
    assert done.returncode == 0, done.stderr
    return done.stdout


def text(
    *files: Path,
    values: Mapping[str, Any] | None = None,
    namespace: str = "rag",
    release: str = "tandem",
    apis: tuple[str, ...] = APIS,
) -> str:
    """What `helm template` prints."""
    return _text(files, json.dumps(values or {}, sort_keys=True), namespace, release, apis)


def only(kind: str, name: str, *files: Path, **values: Any) -> Object:
    """The one object of that kind and name, without the release's; `values` are further ones."""
    there = objects(*files, values=values)
    (found,) = (one for one in there if one["kind"] == kind and one["metadata"]["name"] == f"tandem-{name}")
    return found


def callers(policy: Object) -> set[str]:
    """The components that a policy with one rule lets in."""
    (rule,) = policy["spec"]["ingress"]
    selected = [peer["podSelector"]["matchLabels"] for peer in rule["from"] if "podSelector" in peer]
    return {labels["app.kubernetes.io/component"] for labels in selected}


def objects(*files: Path, **how: Any) -> list[Object]:
    """Every object of a release, also those of `helm test`."""
    return [one for one in yaml.load_all(text(*files, **how), Loader=yaml.CSafeLoader) if one]


@cache
def rendered(case: Case) -> list[Object]:
    """The objects of a case, read once: not to be changed."""
    return objects(*case.files, namespace=case.namespace)


def refusal(values: Mapping[str, Any], *files: Path, **how: Any) -> list[str]:
    """The lines with which values are refused, without Helm's own words around them."""
    done = run(values, *files, **how)
    assert done.returncode != 0, "rendered, and should have been refused"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Use --debug", "tandem:", "Error: values don't meet"))]
    return [line.partition("): ")[2] if line.startswith("Error: execution error at (") else line for line in lines]
