"""Tries a release's paths from pods that carry its workloads' labels, so that the same NetworkPolicies hold for them."""

import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from tandem.domain.errors import ConfigurationError
from tandem.platform import addresses, registry
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.facts import Facts, Tried
from tandem.platform.objects import Object, at, component_of, containers, labels_of, name_of
from tandem.platform.references import pod_specs

_WITHIN_S = 90.0
_EVERY_S = 1.0
# Every cluster has it.
_NAME = "kubernetes.default.svc"
_OWN = ("gateway", "retriever", "worker")
_IMAGE_FAULTS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
# Addresses with passwords, and keys: the pod gets them as the workload does, and prints none.
_STORES = {"TANDEM_STATE__URL": "PostgreSQL", "TANDEM_QUOTAS__STORE_URL": "the quotas' store"}
_SECRETS = {*_STORES, "TANDEM_EMBEDDER__API_KEY", "TANDEM_VECTORS__API_KEY", "HF_TOKEN", "HF_ENDPOINT"}
_SMALL = re.compile(r"hf://(?P<repo>[^/]+/[^/@:]+)[@:](?P<revision>[^/]+)/(?P<file>.+)")
_RESOURCES = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}}
_RIGHTS = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True, slots=True)
class _Pod:
    component: str
    what: tuple[Mapping[str, str], ...]
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        return name_of(self.manifest)


def probe(cluster: Cluster, facts: Facts) -> tuple[Tried, ...]:
    """Makes the pods, waits for all of them, and takes them away again, whatever happens. Raises `ConfigurationError` without an image."""
    pods = list(_pods(facts))
    path = f"/api/v1/namespaces/{cluster.namespace}/pods"
    found: list[Tried] = []
    made: list[_Pod] = []
    try:
        for pod in pods:
            try:
                cluster.delete(f"{path}/{pod.name}")
                _gone(cluster, f"{path}/{pod.name}")
                cluster.apply(f"{path}/{pod.name}", pod.manifest)
                made.append(pod)
            except Refused as refused:
                said = " ".join(refused.message.split())
                found.append(Tried(pod.component, "pod", pod.name, "refused", said))
        until = time.monotonic() + _WITHIN_S
        for pod in made:
            found += _outcome(cluster, path, pod, until)
    finally:
        for pod in made:
            # Without the right to delete it stays, ended by its own deadline.
            with contextlib.suppress(Refused):
                cluster.delete(f"{path}/{pod.name}")
    return (*found, *_images(facts))


def _images(facts: Facts) -> Iterator[Tried]:
    """Those of all workloads, the engine's too: it is too large to be pulled for a try."""
    users: dict[str, tuple[str, bool]] = {}
    for component, spec in pod_specs(facts):
        for container in containers(spec):
            if container.get("image"):
                users.setdefault(str(container["image"]), (component, bool(spec.get("imagePullSecrets"))))
    for image, outcome, where in registry.answers(users):
        component, secret = users[image]
        yield Tried(component, "image", image, "ok" if outcome == "denied" and secret else outcome, where)


def _gone(cluster: Cluster, path: str) -> None:
    """One that an interrupted look left behind must be away before its name is free."""
    until = time.monotonic() + _WITHIN_S / 3
    while time.monotonic() < until:
        try:
            cluster.read(path, metadata_only=True)
        except Refused:
            return
        time.sleep(_EVERY_S)  # noqa: TID251 - no event loop runs here


def _outcome(cluster: Cluster, path: str, pod: _Pod, until: float) -> Iterator[Tried]:
    said = "it was not started in time"
    while time.monotonic() < until:
        try:
            seen = cluster.read(f"{path}/{pod.name}")
        except Refused as refused:
            said = refused.message
            break
        if at(seen, "status", "phase") in {"Succeeded", "Failed"}:
            yield from _told(cluster, pod)
            return
        state: Object = next(iter(at(seen, "status", "containerStatuses", default=())), {})
        waiting = at(state, "state", "waiting", default={})
        said = str(waiting.get("message") or waiting.get("reason") or _unscheduled(seen) or said)
        if waiting.get("reason") in _IMAGE_FAULTS:
            image = pod.manifest["spec"]["containers"][0]["image"]
            yield Tried(pod.component, "pod", pod.name, "image", f"its image {image} cannot be pulled: {said}")
            return
        time.sleep(_EVERY_S)  # noqa: TID251 - no event loop runs here
    yield Tried(pod.component, "pod", pod.name, "late", " ".join(said.split()))


def _unscheduled(pod: Object) -> str:
    conditions = at(pod, "status", "conditions", default=())
    return next((str(each.get("message", "")) for each in conditions if each.get("type") == "PodScheduled"), "")


def _told(cluster: Cluster, pod: _Pod) -> Iterator[Tried]:
    try:
        log = cluster.log(cluster.namespace, pod.name, "probe", previous=False, lines=20)
        told = json.loads(log.strip().splitlines()[-1])
    except (Refused, ValueError, IndexError):
        yield Tried(pod.component, "pod", pod.name, "mute", "it ended without an answer")
        return
    for each in told:
        said = " ".join(str(each.get("said", "")).split())
        yield Tried(pod.component, each["kind"], each["target"], each["outcome"], said, each.get("role", ""))


def _pods(facts: Facts) -> Iterator[_Pod]:
    workloads = {component_of(each): each for kind in ("Deployment", "StatefulSet") for each in facts.of(kind)}
    if not any(component in workloads for component in _OWN):
        raise ConfigurationError(
            f"--probe needs a release: there is no workload of {facts.release} in {facts.namespace} whose image could try.",
            hint="Pass --values F to try what would be installed, with helm on PATH.",
        )
    ours = next(workloads[component] for component in _OWN if component in workloads)
    inner: Object = at(ours, "spec", "template", "spec", default={})
    for component, workload in workloads.items():
        template: Object = at(workload, "spec", "template", default={})
        what = tuple(_wanted(facts, component, template))
        if what:
            yield _Pod(component, what, _manifest(facts, component, template, inner, what))


def _wanted(facts: Facts, component: str, template: Object) -> Iterator[Mapping[str, str]]:
    env = {str(each["name"]): each for each in _env(template)}
    if component == "predictor":
        yield from _hub(env)
        return
    if component not in _OWN:
        return
    yield {"kind": "name", "role": "the API server", "target": _NAME}
    retrieves = component == "retriever" or not any(role == "the retriever" for role, _ in addresses.peers(facts))
    answers = component == "gateway" or "TANDEM_STATE__URL" in env
    for role, url in addresses.called(facts, template, retrieves=retrieves, answers=answers):
        where = addresses.service(url, facts.namespace)
        if where[0] and not any((peer.service, peer.namespace) == where for peer in facts.peers):
            # A Service of what is only planned.
            continue
        yield {"kind": "path", "role": role, "target": url}
        if role == addresses.QDRANT:
            yield {"kind": "vectors", "role": role, "target": url, "collection": addresses.collection(facts)}
        if role == addresses.EMBEDDER:
            protocol = addresses.configured(facts, "embedder", "protocol") or "tei"
            model = addresses.configured(facts, "embedder", "model")
            yield {"kind": "embedder", "role": role, "target": url, "protocol": protocol, "model": model}
    for name, role in _STORES.items():
        if name in env:
            yield {"kind": "path", "role": role, "target": role, "env": name}


def _hub(env: Mapping[str, Object]) -> Iterator[Mapping[str, str]]:
    """What the engine would download, unless it is offline or has it from elsewhere."""
    if at(env, "HF_HUB_OFFLINE", "value") == "1":
        return
    place = {"kind": "hub", "role": "the model hub"}
    named = str(at(env, "MODEL_ID", "value", default=""))
    small = _SMALL.fullmatch(str(at(env, "TANDEM_PREDICTOR__MODEL", "value", default="")))
    if small is not None:
        yield {**place, **small.groupdict(), "target": f"{small['repo']}@{small['revision']}"}
    elif "/" in named and not named.startswith("/"):
        revision = str(at(env, "REVISION", "value", default="main"))
        yield {**place, "repo": named, "revision": revision, "file": "config.json", "target": f"{named}@{revision}"}


def _env(template: Object) -> Iterator[Object]:
    for container in containers(at(template, "spec", default={})):
        yield from container.get("env") or ()


def _manifest(
    facts: Facts, component: str, template: Object, inner: Object, what: tuple[Mapping[str, str], ...]
) -> dict[str, Any]:
    labels = {key: value for key, value in labels_of(template).items() if not key.endswith("-hash")}
    program = (resources.files("tandem.platform") / "inside.py").read_text(encoding="utf-8")
    container: Object = next(iter(at(inner, "containers", default=())), {})
    pull = {"imagePullSecrets": inner["imagePullSecrets"]} if inner.get("imagePullSecrets") else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{facts.release}-probe-{component}", "namespace": facts.namespace, "labels": labels},
        "spec": {
            **pull,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": int(_WITHIN_S),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            # It carries a workload's labels, and must get none of its requests: this never comes true.
            "readinessGates": [{"conditionType": "tandem.dev/only-a-probe"}],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "probe",
                    "image": container.get("image", ""),
                    "imagePullPolicy": container.get("imagePullPolicy", "IfNotPresent"),
                    "command": ["python", "-c", program, json.dumps(what)],
                    "env": [_optional(each) for each in _env(template) if each["name"] in _SECRETS],
                    "resources": _RESOURCES,
                    "securityContext": _RIGHTS,
                }
            ],
        },
    }


def _optional(variable: Object) -> Object:
    """A Secret that is missing is told by its own rule; the rest is tried all the same."""
    reference = at(variable, "valueFrom", "secretKeyRef")
    return {**variable, "valueFrom": {"secretKeyRef": {**reference, "optional": True}}} if reference else variable
