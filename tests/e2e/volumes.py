"""Volumes for clusters that make none: folders on the node, as volumes of a class of our own."""

import contextlib
import secrets
from collections.abc import Iterator

from e2e.cluster import Cluster, Object
from e2e.diagnosis import diagnose
from e2e.waiting import until

CLASS = "tandem-e2e"
_ROOT = "/var/lib/tandem-e2e"
_LEFT_BEHIND_S = 7200


def storage_class(cluster: Cluster) -> str:
    """The class to ask for: empty where the cluster has a default one."""
    default = "storageclass.kubernetes.io/is-default-class"
    classes = cluster.items("storageclasses")
    return "" if any(each["metadata"].get("annotations", {}).get(default) == "true" for each in classes) else CLASS


@contextlib.contextmanager
def provided(cluster: Cluster, number: int, image: str) -> Iterator[None]:
    """So many writable, empty volumes, which claims of our class find; no run has those of another."""
    run = f"tandem-e2e-{secrets.token_hex(3)}"
    names = [f"{run}-{each}" for each in range(number)]
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": run}}, _maker(run, names, image))
    try:
        phase = ("-n", run, "get", "pod", "maker", "-o", "jsonpath={.status.phase}")
        try:
            until("folders for the volumes", lambda: cluster.kubectl(*phase) == "Succeeded", within_s=60)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{diagnose(cluster, run)}") from error
        cluster.apply(*(_volume(name) for name in names))
        yield
    finally:
        cluster.kubectl("delete", "pv", *names, "--ignore-not-found", "--wait=false")
        cluster.kubectl("delete", "namespace", run, "--wait=false")


def _maker(space: str, names: list[str], image: str) -> Object:
    # A hostPath volume is not given to the pod's group: the folders have to be open to it beforehand.
    program = f"""
import pathlib, shutil, time
for old in pathlib.Path("/root").iterdir():
    if old.stat().st_mtime < time.time() - {_LEFT_BEHIND_S}:
        shutil.rmtree(old, ignore_errors=True)
for name in {names!r}:
    made = pathlib.Path("/root", name)
    made.mkdir()
    made.chmod(0o777)
"""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "maker", "namespace": space},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "maker",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python", "-c", program],
                    "securityContext": {"runAsUser": 0},
                    "volumeMounts": [{"name": "root", "mountPath": "/root"}],
                }
            ],
            "volumes": [{"name": "root", "hostPath": {"path": _ROOT, "type": "DirectoryOrCreate"}}],
        },
    }


def _volume(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": {"tandem-e2e": "volume"}},
        "spec": {
            "capacity": {"storage": "1Ti"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": CLASS,
            "hostPath": {"path": f"{_ROOT}/{name}", "type": "DirectoryOrCreate"},
        },
    }
