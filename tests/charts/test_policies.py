"""What an operator may rely on for every pod that the chart makes: rights, limits, probes, images, networks, secrets."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from charts.pods import Pod, pods, selects
from charts.rendering import CHART, Case, Object, cases, objects, rendered
from tandem.app.settings import Settings

CASES = list(cases())
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
DIGEST = "sha256:" + "ab" * 32
# What the restricted pod security standard lets a pod mount.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
# The longest that TGI takes to end its streams.
TGI_ENDS_S = 90


def _of(found: list[Object], *kinds: str) -> list[Object]:
    return [one for one in found if one["kind"] in kinds]


def _engine(found: list[Object]) -> str:
    return next((one["metadata"]["name"].rpartition("-")[2] for one in _of(found, "ServingRuntime")), "")


@each_case
def test_every_pod_is_restricted_but_that_of_tgi_which_only_is_root(case: Case) -> None:
    for pod in pods(rendered(case)):
        root = _engine(rendered(case)) == "tgi" and pod.owner["kind"] == "InferenceService"
        assert _beyond_restricted(pod) == ({"runs as root"} if root else set()), pod.name


def _beyond_restricted(pod: Pod) -> set[str]:
    """What the standard's version 1.34 forbids, by its own words."""
    spec, own = pod.spec, pod.spec.get("securityContext", {})
    found = {key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)}
    found |= {kind for volume in spec.get("volumes", ()) for kind in volume.keys() - {"name"} - VOLUMES}
    for container in pod.containers:
        rights = own | container.get("securityContext", {})
        if not rights.get("runAsNonRoot") or rights.get("runAsUser", 1) == 0:
            found.add("runs as root")
        if rights.get("allowPrivilegeEscalation") is not False or rights.get("privileged"):
            found.add("may gain rights")
        if rights.get("capabilities") != {"drop": ["ALL"]}:
            found.add("capabilities")
        if rights.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
            found.add("no seccomp profile")
        if any(port.get("hostPort") for port in container.get("ports", ())):
            found.add("hostPort")
    return found


@each_case
def test_every_root_file_system_is_read_only_and_no_pod_has_a_token(case: Case) -> None:
    for pod in pods(rendered(case)):
        assert pod.spec["automountServiceAccountToken"] is False, pod.name
        assert pod.spec["enableServiceLinks"] is False, pod.name
        for container in pod.containers:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, pod.name
    for account in _of(rendered(case), "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@each_case
def test_every_volume_that_is_no_claim_is_bounded(case: Case) -> None:
    for pod in pods(rendered(case)):
        for volume in pod.spec.get("volumes", ()):
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], f"{pod.name} {volume['name']}"


@each_case
def test_what_is_mounted_is_there(case: Case) -> None:
    for pod in pods(rendered(case)):
        volumes = {volume["name"] for volume in pod.spec.get("volumes", ())}
        volumes |= {claim["metadata"]["name"] for claim in pod.owner["spec"].get("volumeClaimTemplates", ())}
        for container in pod.spec["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", ())} == volumes, pod.name
        for container in pod.spec.get("initContainers", ()):
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes, pod.name


@each_case
def test_every_container_asks_for_what_it_needs_and_is_limited_in_memory(case: Case) -> None:
    for pod in pods(rendered(case)):
        for container in pod.containers:
            resources = container["resources"]
            assert resources["requests"].keys() >= {"cpu", "memory"}, pod.name
            assert "memory" in resources["limits"], pod.name
            gpus = [resources[which].get("nvidia.com/gpu") for which in ("requests", "limits")]
            assert gpus[0] == gpus[1], "Kubernetes takes no other"


@each_case
def test_every_serving_container_has_three_probes_that_ask_a_port_it_has(case: Case) -> None:
    for pod in (pod for pod in pods(rendered(case)) if pod.serves):
        for container in pod.spec["containers"]:
            ports = {port for each in container["ports"] for port in (each["name"], each["containerPort"])}
            probes = {name: container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
            for probe in probes.values():
                assert (probe.get("httpGet") or probe["tcpSocket"])["port"] in ports, pod.name
            assert probes["startup"]["periodSeconds"] * probes["startup"]["failureThreshold"] >= 60, pod.name
            assert probes["liveness"] != probes["readiness"], "a busy pod is no dead one"


@each_case
def test_no_image_is_whatever_is_newest(case: Case) -> None:
    for pod in pods(rendered(case)):
        for container in pod.containers:
            assert re.fullmatch(r"[^:@]+(:\d+/[^:@]+)?:[\w][\w.-]*(@sha256:[0-9a-f]{64})?", container["image"])
            assert ":latest" not in container["image"]
            assert container["imagePullPolicy"] in {"IfNotPresent", "Always"}


def test_every_image_can_be_given_by_digest() -> None:
    pinned = {
        "image": {"digest": DIGEST},
        "predictor": {"runtimes": {name: {"image": {"digest": DIGEST}} for name in ("tgi", "vllm", "small")}},
    }
    for case in CASES:
        for pod in pods(objects(*case.files, values=pinned)):
            assert all(container["image"].endswith(f"@{DIGEST}") for container in pod.containers), case.name


@each_case
def test_a_pod_is_given_the_time_that_it_takes_to_drain(case: Case) -> None:
    for pod in (pod for pod in pods(rendered(case)) if pod.serves):
        given = pod.spec["terminationGracePeriodSeconds"]
        if pod.owner["kind"] == "InferenceService":
            (container,) = pod.containers
            sleeps = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            # Ours reads no file, so its own defaults hold.
            own = Settings().server
            ends = TGI_ENDS_S if _engine(rendered(case)) == "tgi" else own.drain_delay_s + own.drain_timeout_s
            assert given >= sleeps + ends, pod.name
        else:
            server = yaml.safe_load(_config(case))["server"]
            assert server["drain_delay_s"] > 0, "in place of a preStop hook"
            assert given > server["drain_delay_s"] + server["drain_timeout_s"], pod.name


def _config(case: Case) -> str:
    (found,) = [one for one in _of(rendered(case), "ConfigMap") if "tandem.yaml" in one["data"]]
    return str(found["data"]["tandem.yaml"])


@each_case
def test_the_configuration_is_one_that_tandem_takes(case: Case) -> None:
    Settings.model_validate(yaml.safe_load(_config(case)) or {})


@each_case
def test_a_changed_configuration_replaces_the_pods_that_read_it(case: Case) -> None:
    changed = objects(*case.files, values={"config": {"log": {"level": "debug"}}}, namespace=case.namespace)
    for before, after in zip(pods(rendered(case)), pods(changed), strict=True):
        if before.owner["kind"] == "Job":
            # It is made anew for each batch.
            continue
        reads = any("configMap" in volume for volume in before.spec.get("volumes", ()))
        assert reads == (before.owner["kind"] in {"Deployment", "StatefulSet"})
        assert reads == (before.annotations != after.annotations), before.name


@each_case
def test_pods_are_replaced_without_there_being_fewer(case: Case) -> None:
    for one in _of(rendered(case), "Deployment"):
        assert one["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    for one in _of(rendered(case), "InferenceService"):
        assert one["spec"]["predictor"]["deploymentStrategy"]["rollingUpdate"]["maxUnavailable"] == 0


@each_case
def test_every_pod_is_in_one_network_policy_that_names_both_directions(case: Case) -> None:
    policies = _of(rendered(case), "NetworkPolicy")
    if case.name == "ci/smallest":
        assert not policies, "it says so"
        return
    for pod in pods(rendered(case)):
        (policy,) = [one for one in policies if selects(one["spec"]["podSelector"], pod.labels)]
        assert sorted(policy["spec"]["policyTypes"]) == ["Egress", "Ingress"]
        assert all(rule.get("ports") for rule in policy["spec"].get("ingress", ())), pod.name
        assert all(rule.get("ports") and rule.get("to") for rule in policy["spec"].get("egress", ())), pod.name


@each_case
def test_what_a_pod_calls_of_this_release_lets_it_in(case: Case) -> None:
    found = list(pods(rendered(case)))
    policies = _of(rendered(case), "NetworkPolicy")
    for caller in found if policies else ():
        for called in found:
            goes = [rule for rule in _rules(policies, caller, "egress") if _meets(rule["to"], called)]
            comes = [
                rule
                for rule in _rules(policies, called, "ingress")
                if "from" not in rule or _meets(rule["from"], caller)
            ]
            ports = {port["port"] for rule in goes for port in rule["ports"]}
            assert ports <= {port["port"] for rule in comes for port in rule["ports"]}, (caller.name, called.name)


@each_case
def test_every_peer_of_this_release_that_a_pod_is_told_of_may_be_called_by_it(case: Case) -> None:
    found = list(pods(rendered(case)))
    policies = _of(rendered(case), "NetworkPolicy")
    for caller in found if policies else ():
        told = json.dumps([container.get("env", []) for container in caller.containers])
        for called in found:
            service = called.owner["metadata"]["name"]
            service += "-predictor" if called.owner["kind"] == "InferenceService" else ""
            if f"http://{service}:" in told or f"http://{service}." in told:
                assert any(_meets(rule["to"], called) for rule in _rules(policies, caller, "egress")), (
                    caller.name,
                    service,
                )


def _rules(policies: list[Object], pod: Pod, direction: str) -> list[Object]:
    return [
        rule
        for one in policies
        if selects(one["spec"]["podSelector"], pod.labels)
        for rule in one["spec"].get(direction, ())
    ]


def _meets(peers: list[Object], pod: Pod) -> bool:
    """Whether peers mean a pod of this namespace, by its labels alone."""
    return any("podSelector" in peer and selects(peer["podSelector"], pod.labels) for peer in peers)


@each_case
def test_every_workload_has_one_disruption_budget_that_lets_drains_go_on(case: Case) -> None:
    budgets = _of(rendered(case), "PodDisruptionBudget")
    for pod in (pod for pod in pods(rendered(case)) if pod.serves):
        (budget,) = [one["spec"] for one in budgets if selects(one["spec"]["selector"], pod.labels)]
        assert budget.get("maxUnavailable") != 0, pod.name
        assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@each_case
def test_gateways_are_spread_over_nodes_and_zones(case: Case) -> None:
    for pod in (pod for pod in pods(rendered(case)) if pod.owner["metadata"]["name"].endswith("-gateway")):
        spread = pod.spec["topologySpreadConstraints"]
        assert spread
        assert all(selects(each["labelSelector"], pod.labels) for each in spread)


@each_case
def test_every_service_leads_to_pods_by_a_port_that_they_have(case: Case) -> None:
    for service in _of(rendered(case), "Service"):
        (led,) = [pod for pod in pods(rendered(case)) if service["spec"]["selector"].items() <= pod.labels.items()]
        ports = {port["name"] for container in led.spec["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


@each_case
def test_what_scales_is_there_and_has_no_fixed_number(case: Case) -> None:
    found = rendered(case)
    for scaler in _of(found, "ScaledObject", "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        named = [
            one for one in _of(found, target.get("kind", "Deployment")) if one["metadata"]["name"] == target["name"]
        ]
        made = [f"{one['metadata']['name']}-predictor" for one in _of(found, "InferenceService")]
        assert named or target["name"] in made
        assert all("replicas" not in one["spec"] for one in named), "Helm and the scaler would take turns"


@each_case
def test_the_monitoring_finds_every_pod_that_serves_and_no_other(case: Case) -> None:
    for monitor in _of(rendered(case), "PodMonitor"):
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        for pod in pods(rendered(case)):
            # Pods of a batch's Job tell what they do while they last.
            ports = {port["name"] for each in pod.spec["containers"] for port in each.get("ports", ())}
            assert selects(monitor["spec"]["selector"], pod.labels) == bool(ports), pod.name
            assert not pod.serves or ports
            assert not ports or endpoint["port"] in ports
    for pod in pods(rendered(case)):
        if "prometheus.io/scrape" in pod.annotations:
            ports = {str(port["containerPort"]) for each in pod.spec["containers"] for port in each["ports"]}
            assert pod.annotations["prometheus.io/port"] in ports


@each_case
def test_no_secret_is_made_and_none_stands_in_an_object(case: Case) -> None:
    assert not _of(rendered(case), "Secret")
    for one in rendered(case):
        for name, value in _plain(one):
            assert not re.search(r"(?i)(api_key|token|password|secret|keys)$", name) or value.startswith("$("), name
            assert not re.search(r"://[^/@\s]+:[^/@\s]+@", value), name


def _plain(node: Any) -> Iterator[tuple[str, str]]:
    """Every text of an object with its key, an environment variable's with its name."""
    if isinstance(node, dict):
        if isinstance(node.get("value"), str) and "name" in node:
            yield node["name"], node["value"]
        for key, value in node.items():
            if isinstance(value, str) and key == "tandem.yaml":
                yield from _plain(yaml.safe_load(value))
            elif isinstance(value, str):
                yield key, value
            else:
                yield from _plain(value)
    elif isinstance(node, list):
        for value in node:
            yield from _plain(value)


def test_every_existing_secret_of_the_values_reaches_a_pod() -> None:
    default = yaml.safe_load((CHART / "values.yaml").read_text())["existingSecrets"]
    told = {
        name
        for case in CASES
        for one in rendered(case)
        for name in re.findall(
            r'"(?:name|secretName)": "([^"]+)"', json.dumps([_of([one], "Deployment", "StatefulSet", "Pod", "CronJob")])
        )
    }
    asked = {
        ref["name"]
        for case in CASES
        for file in case.files
        for key, ref in (yaml.safe_load(file.read_text()).get("existingSecrets") or {}).items()
        if key != "pools"
    }
    kinds = {
        key
        for case in CASES
        for file in case.files
        for key in (yaml.safe_load(file.read_text()).get("existingSecrets") or {})
    }
    assert kinds == default.keys(), "each is used by a case"
    assert asked <= told


@each_case
def test_nobody_named_is_nobody_let_in(case: Case) -> None:
    closed = {"networkPolicy": {"monitoringFrom": [], "ingressFrom": {"predictor": []}}}
    for policy in _of(objects(*case.files, values=closed, namespace=case.namespace), "NetworkPolicy"):
        rules = policy["spec"].get("ingress") or []
        everybody = [rule for rule in rules if not rule.get("from")]
        assert not everybody or policy["metadata"]["name"].endswith("-gateway")


def test_a_user_as_large_as_openshift_gives_stays_a_number() -> None:
    values = {"predictor": {"runtimes": {"vllm": {"user": 1000660000}}}}
    found = objects(CHART / "ci/retrievers-values.yaml", values=values)
    (pod,) = [pod for pod in pods(found) if pod.owner["kind"] == "InferenceService"]
    assert pod.containers[0]["securityContext"]["runAsUser"] == 1000660000
    assert pod.spec["securityContext"]["fsGroup"] == 1000660000
