"""The manifests fit together and fit the chart: pools and profiles, quotas and environments, install lines and files."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts.programs import output, program
from tandem.app.settings import load_settings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/tandem"
MANIFESTS = ROOT / "manifests"
ENVIRONMENTS = sorted(path.parent.name for path in MANIFESTS.glob("environments/*/values.yaml"))
# What the README tells to install before; offline nobody can be asked what the cluster serves.
APIS = (
    "serving.kserve.io/v1beta1",
    "serving.kserve.io/v1alpha1",
    "keda.sh/v1alpha1",
    "monitoring.coreos.com/v1",
)


def _kustomized(folder: str) -> list[dict[str, Any]]:
    text = output(program("kubectl"), "kustomize", str(MANIFESTS / "cluster" / folder))
    return [found for found in yaml.safe_load_all(text) if found]


def _install_line(environment: str) -> list[str]:
    """The one `helm upgrade --install` of this environment in the README, as words."""
    readme = (MANIFESTS / "README.md").read_text().replace("\\\n", " ")
    lines = [line for line in readme.splitlines() if line.startswith("helm upgrade --install tandem ")]
    (line,) = [line for line in lines if f"manifests/environments/{environment}/values.yaml" in line]
    return line.split()


@cache
def _rendered(environment: str) -> tuple[dict[str, Any], ...]:
    words = _install_line(environment)
    files = [str(ROOT / words[at + 1]) for at, word in enumerate(words) if word == "-f"]
    namespace = words[words.index("--namespace") + 1]
    command = [program("helm"), "template", "tandem", str(CHART), "--namespace", namespace, "--kube-version", "1.34.0"]
    command += [word for file in files for word in ("-f", file)]
    command += [word for api in APIS for word in ("--api-versions", api)]
    return tuple(found for found in yaml.safe_load_all(output(*command)) if found)


def _of(environment: str, kind: str) -> dict[str, dict[str, Any]]:
    return {found["metadata"]["name"]: found for found in _rendered(environment) if found["kind"] == kind}


@pytest.mark.parametrize("folder", ["base", "tgi", "karpenter"])
def test_a_folder_of_the_cluster_can_be_applied(folder: str) -> None:
    found = _kustomized(folder)
    names = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in found]
    assert len(set(names)) == len(names) > 0
    assert "set-by-kustomize" not in yaml.safe_dump_all(found)


def test_every_namespace_of_the_base_says_what_pods_may_and_denies_by_default() -> None:
    found = _kustomized("base")
    namespaces = {one["metadata"]["name"]: one["metadata"]["labels"] for one in found if one["kind"] == "Namespace"}
    denied = {one["metadata"]["namespace"] for one in found if one["metadata"]["name"] == "default-deny"}
    assert denied == namespaces.keys()
    assert {labels["pod-security.kubernetes.io/enforce"] for labels in namespaces.values()} == {"restricted"}


def _pools() -> dict[str, dict[str, Any]]:
    return {
        one["metadata"]["name"]: one["spec"]["template"]
        for one in _kustomized("karpenter")
        if one["kind"] == "NodePool"
    }


@pytest.mark.parametrize(
    ("profile", "pools"),
    [
        ("values-8b-a10g.yaml", {"tandem-gpu-a10g"}),
        ("values-30b-a100.yaml", {"tandem-gpu-a100-80g"}),
        ("values-small-cpu.yaml", {"tandem-cpu"}),
    ],
)
def test_a_hardware_profile_lands_on_its_pool_and_no_other(profile: str, pools: set[str]) -> None:
    predictor = yaml.safe_load((CHART / profile).read_text())["predictor"]
    wanted = predictor["nodeSelector"].items()
    tolerated = {(one["key"], one["effect"]) for one in predictor["tolerations"]}
    fitting = {
        name
        for name, template in _pools().items()
        if wanted <= template["metadata"]["labels"].items()
        and {(one["key"], one["effect"]) for one in template["spec"].get("taints", ())} <= tolerated
    }
    assert fitting == pools


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_is_installed_by_one_line_that_renders(environment: str) -> None:
    words = _install_line(environment)
    assert "charts/tandem" in words
    assert _of(environment, "Deployment") or _of(environment, "StatefulSet")


_SECRETS = {"TANDEM_STATE__URL": "postgresql://secret", "TANDEM_PRIVACY__USER_KEY": "a secret of some length"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_gateway_of_an_environment_understands_its_configuration(
    environment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (container,) = _of(environment, "Deployment")["tandem-gateway"]["spec"]["template"]["spec"]["containers"]
    for variable in container["env"]:
        # What a Secret holds is known on the cluster only.
        monkeypatch.setenv(variable["name"], variable.get("value", _SECRETS.get(variable["name"], "redis://secret")))
    file = tmp_path / "tandem.yaml"
    file.write_text(_of(environment, "ConfigMap")["tandem-config"]["data"]["tandem.yaml"])
    settings = load_settings(file)
    assert not settings.public_without_keys()
    assert settings.vectors.url or settings.retriever.url
    # Else a request that waits for a sleeping model ends before the model is up.
    assert settings.server.request_timeout_s > settings.resilience.wake_s


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_secrets_of_an_environment_are_told_before_its_line(environment: str) -> None:
    readme = (MANIFESTS / "README.md").read_text()
    told = set(re.findall(r"create secret generic ([a-z0-9-]+)", readme))
    wanted = {ref["name"] for found in _rendered(environment) for ref in _values_of(found, "secretKeyRef")} | {
        ref["secretName"]
        for found in _rendered(environment)
        for ref in _values_of(found, "secret")
        if "secretName" in ref
    }
    assert wanted - told == set()


def _values_of(tree: Any, key: str) -> list[Any]:
    if isinstance(tree, dict):
        own = [tree[key]] if isinstance(tree.get(key), dict) else []
        return own + [found for value in tree.values() for found in _values_of(value, key)]
    if isinstance(tree, list):
        return [found for value in tree for found in _values_of(value, key)]
    return []


_UNITS = {"m": 0.001, "": 1, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def _quantity(text: str) -> float:
    found = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", text)
    assert found, text
    return float(found[1]) * _UNITS[found[2]]


def test_production_fits_the_quota_at_its_most() -> None:
    (quota,) = [
        one["spec"]["hard"]
        for one in _kustomized("base")
        if one["kind"] == "ResourceQuota" and one["metadata"]["namespace"] == "tandem"
    ]
    most = {
        one["metadata"]["name"]: one["spec"]["maxReplicaCount"] for one in _of("production", "ScaledObject").values()
    }
    gateway = _of("production", "Deployment")["tandem-gateway"]["spec"]["template"]["spec"]["containers"][0]
    engine = next(iter(_of("production", "ServingRuntime").values()))["spec"]["containers"][0]
    model = _of("production", "InferenceService")["tandem"]["spec"]["predictor"]["model"]
    # While a rollout is under way there is one more of each.
    asked = [(gateway, most["tandem-gateway"] + 1), (engine | model, most["tandem-predictor"] + 1)]
    for resource in ("cpu", "memory", "nvidia.com/gpu"):
        needed = sum(
            _quantity(str(container["resources"]["requests"].get(resource, 0))) * pods for container, pods in asked
        )
        assert 0 < needed <= _quantity(quota[f"requests.{resource}"]), resource
    assert sum(pods for _, pods in asked) <= int(quota["pods"])


def test_production_keeps_three_gateways_and_a_warm_model() -> None:
    fewest = {
        one["metadata"]["name"]: one["spec"]["minReplicaCount"] for one in _of("production", "ScaledObject").values()
    }
    assert fewest["tandem-gateway"] >= 3
    assert fewest["tandem-predictor"] >= 1


def test_every_chart_of_the_platform_is_pinned_once() -> None:
    readme = (MANIFESTS / "platform/README.md").read_text()
    commands = re.findall(r"^helm upgrade --install [^`]*?(?=\n\n|\n```|\nhelm )", readme, re.MULTILINE)
    table = readme.split("## Install")[0]
    assert len(commands) >= 8
    for command in commands:
        version = re.search(r"--version (\S+)", command)
        assert version and version[1] in table, command
        for file in re.findall(r"-f (\S+)", command):
            assert (ROOT / file).is_file(), file


@pytest.mark.parametrize("path", sorted(MANIFESTS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(MANIFESTS)))
def test_no_manifest_takes_whatever_is_newest(path: Path) -> None:
    text = path.read_text()
    list(yaml.safe_load_all(text))
    assert not re.search(r"image:\s*\S+:latest", text)
    assert not re.search(r"^\s*tag:\s*\"?latest", text, re.MULTILINE)


def test_the_nodes_of_local_clusters_carry_the_pool_s_label() -> None:
    kind = yaml.safe_load((MANIFESTS / "kind/cluster.yaml").read_text())
    workers = [node for node in kind["nodes"] if node["role"] == "worker"]
    assert len(workers) >= 2
    assert all(node["labels"] == {"tandem.dev/pool": "cpu"} and "@sha256:" in node["image"] for node in workers)
    k3d = yaml.safe_load((MANIFESTS / "k3d/cluster.yaml").read_text())
    assert k3d["agents"] >= 2
    assert k3d["options"]["k3s"]["nodeLabels"] == [{"label": "tandem.dev/pool=cpu", "nodeFilters": ["agent:*"]}]
