"""The image by itself, no chart around it: each target starts as the image's own user, and nothing has to be writable but two folders."""

import json

import pytest

from e2e.cluster import Object
from e2e.figures import record
from e2e.images import Images
from e2e.space import Space

pytestmark = pytest.mark.timeout(240)
_PEERS = {"TANDEM_RETRIEVER__URL": "http://retriever.invalid:8000", "TANDEM_PREDICTOR__URL": "http://predictor.invalid"}
_PORTS = {"all": 8000, "gateway": 8000, "retriever": 8000, "predictor": 8080}
# What of the file system the process can write to, and how much work it was to come to where it is.
_LOOK = """
import json, os, pathlib
fields = pathlib.Path("/proc/1/stat").read_text().rpartition(")")[2].split()
print(json.dumps({
    "user": os.getuid(), "group": os.getgid(),
    "writable": [path for path in ("/", "/etc", "/opt/tandem", "/tmp", "/var/lib/tandem") if os.access(path, os.W_OK)],
    "cpu_s": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
}))
"""
_GENERATE = """
import json, urllib.request
asked = {"inputs": "The capital of France is", "parameters": {"max_new_tokens": 4}}
headers = {"content-type": "application/json"}
request = urllib.request.Request("http://127.0.0.1:8080/generate", json.dumps(asked).encode(), headers)
print(json.load(urllib.request.urlopen(request, timeout=60))["generated_text"])
"""


def _pod(name: str, image: str, target: str, **settings: str) -> Object:
    # No user and no group: the image's own have to do, also for a kubelet that wants to know that it is not root.
    env = {"TANDEM_SERVER__ALLOW_UNAUTHENTICATED": "true", **settings}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": target,
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["serve", "--target", target],
                    "env": [{"name": key, "value": value} for key, value in env.items()],
                    "readinessProbe": {"httpGet": {"path": "/readyz", "port": _PORTS[target]}, "periodSeconds": 1},
                    "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "scratch", "mountPath": "/tmp"},
                        {"name": "data", "mountPath": "/var/lib/tandem"},
                    ],
                }
            ],
            "volumes": [{"name": "scratch", "emptyDir": {}}, {"name": "data", "emptyDir": {}}],
        },
    }


def _started(ours: Space, pod: Object) -> str:
    pod["metadata"]["namespace"] = ours.name
    name: str = pod["metadata"]["name"]
    ours.cluster.apply(pod)
    ours.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    return name


@pytest.mark.parametrize("target", _PORTS)
def test_each_target_starts_with_the_fewest_rights(ours: Space, built: Images, target: str) -> None:
    name = _started(ours, _pod(f"as-{target}", built.main, target, **(_PEERS if target == "gateway" else {})))
    seen = json.loads(ours.kubectl("exec", name, "--", "python", "-c", _LOOK))
    assert (seen["user"], seen["group"]) == (65532, 65532)
    assert seen["writable"] == ["/tmp", "/var/lib/tandem"]
    record(f"start_cpu_s_{target}", seen["cpu_s"])
    assert ours.kubectl("exec", name, "--", "tandem", "version").startswith("tandem ")
    health = ours.kubectl("exec", name, "--", "tandem", "health", "--url", f"http://127.0.0.1:{_PORTS[target]}")
    assert health.strip().endswith("ready")
    ours.kubectl("delete", "pod", name, "--wait=false")


def test_the_small_variant_answers_without_a_network(ours: Space, built: Images) -> None:
    settings = {"TANDEM_PREDICTOR__MODEL": "smollm2", "TANDEM_PREDICTOR__CONTEXT_TOKENS": "512"}
    name = _started(ours, _pod("small", built.small, "predictor", **settings))
    assert "Paris" in ours.kubectl("exec", name, "--", "python", "-c", _GENERATE)
    ours.kubectl("delete", "pod", name, "--wait=false")
