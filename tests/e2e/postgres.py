"""A PostgreSQL in a namespace of the tests, for what several pods keep together; it forgets everything with its pod."""

import os
import secrets

from e2e.cluster import Object
from e2e.pods import service
from e2e.space import Space

# Where the cluster reaches no registry, one that is there already and takes the same variables.
IMAGE = os.environ.get("TANDEM_E2E_POSTGRES_IMAGE", "docker.io/library/postgres:17-bookworm")
SECRET = "tandem-state"
_NAME, _USER, _PORT = "postgres", "tandem", 5432
_READY_S = 120


def postgres(space: Space) -> Object:
    """Start it, and put its address into a Secret; the values that make a release keep its state there."""
    password = secrets.token_urlsafe(18)
    host = f"{_NAME}.{space.name}.svc.cluster.local"
    space.secret(SECRET, {"url": f"postgresql://{_USER}:{password}@{host}:{_PORT}/postgres", "password": password})
    space.cluster.apply(service(space.name, _NAME, _PORT, _PORT), _pod(space.name))
    space.kubectl("wait", "--for=condition=Ready", f"pod/{_NAME}", f"--timeout={_READY_S}s", timeout_s=_READY_S + 10)
    way = {
        "to": [{"podSelector": {"matchLabels": {"tandem-e2e": _NAME}}}],
        "ports": [{"port": _PORT, "protocol": "TCP"}],
    }
    return {
        "existingSecrets": {"state": {"name": SECRET, "key": "url"}},
        "networkPolicy": {"extraEgress": {"gateway": [way], "worker": [way], "backup": [way]}},
    }


def asked(space: Space, query: str) -> list[list[str]]:
    """The rows that a query finds, as text."""
    command = ["psql", "-U", _USER, "-h", "127.0.0.1", "-d", "postgres", "-At", "-F", "\t", "-c", query]
    told = space.kubectl("exec", _NAME, "--", "sh", "-c", 'PGPASSWORD=$POSTGRES_PASSWORD exec "$@"', "sh", *command)
    return [line.split("\t") for line in told.splitlines()]


def _pod(namespace: str) -> Object:
    ready = ["pg_isready", "-h", "127.0.0.1", "-U", _USER, "-d", "postgres"]
    container: Object = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "unix_socket_directories=/tmp"],
        "env": [
            {"name": "POSTGRES_USER", "value": _USER},
            {"name": "POSTGRES_DB", "value": "postgres"},
            {"name": "POSTGRES_PASSWORD", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "password"}}},
            {"name": "PGDATA", "value": "/data/postgres"},
        ],
        "ports": [{"name": "postgres", "containerPort": _PORT}],
        "readinessProbe": {"exec": {"command": ready}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _NAME, "namespace": namespace, "labels": {"tandem-e2e": _NAME}},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 999,
                "runAsGroup": 999,
                "fsGroup": 999,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        },
    }
