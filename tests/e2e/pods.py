"""Pods of the tests' own, within the restricted pod-security standard: a script of ours, run by the product's image."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from e2e.cluster import Object

INSIDE = Path(__file__).parent / "inside"
FAKES = Path(__file__).parents[1] / "fakes"


def script(namespace: str, name: str, source: Path) -> Object:
    """A ConfigMap that holds one program as `main.py`."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"main.py": source.read_text(encoding="utf-8")},
    }


def pod(
    namespace: str,
    name: str,
    image: str,
    arguments: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    port: int | None = None,
    lasting: bool = False,
    claim: str | None = None,
) -> Object:
    """A pod that runs the script of the same name with `arguments`. `lasting`: it is there to serve, and started again.

    What `claim` asks for lies at `/documents`.
    """
    container: Object = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "/script/main.py", *arguments],
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "script", "mountPath": "/script"}],
    }
    volumes: list[Object] = [{"name": "script", "configMap": {"name": name}}]
    if claim is not None:
        volumes.append({"name": "documents", "persistentVolumeClaim": {"claimName": claim}})
        container["volumeMounts"].append({"name": "documents", "mountPath": "/documents"})
    if port is not None:
        container["ports"] = [{"name": "http", "containerPort": port}]
        container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"tandem-e2e": name, **(labels or {})}},
        "spec": {
            "restartPolicy": "Always" if lasting else "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": volumes,
        },
    }


def service(namespace: str, name: str, port: int, target: int) -> Object:
    """Reaches the pod of the same name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"tandem-e2e": name}, "ports": [{"name": "http", "port": port, "targetPort": target}]},
    }
