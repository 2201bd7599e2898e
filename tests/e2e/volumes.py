"""Volumes for clusters that make none: folders on the node, as volumes of a class of our own."""

from e2e.cluster import Cluster, Object
from e2e.waiting import until

CLASS = "tandem-e2e"
_ROOT = "/var/lib/tandem-e2e"
_SPACE = "tandem-e2e-volumes"


def storage_class(cluster: Cluster) -> str:
    """The class to ask for: empty where the cluster has a default one."""
    default = "storageclass.kubernetes.io/is-default-class"
    classes = cluster.items("storageclasses")
    return "" if any(each["metadata"].get("annotations", {}).get(default) == "true" for each in classes) else CLASS


def provide(cluster: Cluster, names: list[str], image: str) -> None:
    """Make a writable, empty volume under each name. Their claims find them by the class."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _SPACE}})
    cluster.apply(_maker(names, image))
    phase = ("-n", _SPACE, "get", "pod", "maker", "-o", "jsonpath={.status.phase}")
    until("folders for the volumes", lambda: cluster.kubectl(*phase) == "Succeeded", within_s=60)
    cluster.apply(*(_volume(name) for name in names))


def remove(cluster: Cluster, names: list[str]) -> None:
    """Forget the volumes, and the pod that made their folders."""
    cluster.kubectl("delete", "pv", *names, "--ignore-not-found", "--wait=false")
    cluster.kubectl("delete", "namespace", _SPACE, "--ignore-not-found", "--wait=false")


def _maker(names: list[str], image: str) -> Object:
    # A hostPath volume is not given to the pod's group: the folders have to be open to it beforehand.
    program = f"import os, shutil\nfor name in {names!r}:\n shutil.rmtree('/root/' + name, True)\n os.mkdir('/root/' + name)\n os.chmod('/root/' + name, 0o777)"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "maker", "namespace": _SPACE},
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
