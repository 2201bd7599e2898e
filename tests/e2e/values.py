"""What every installation under test is given besides its profile: images, keys, little of everything, short windows."""

import os

from e2e.cluster import Object
from e2e.images import Images
from e2e.keys import CALLER, GATEWAY, key_file
from e2e.release import merged

# All keys, the gateway's own for its retriever, and the one that `helm test` calls with.
SECRETS = {
    "tandem-keys": {"keys.yaml": key_file()},
    "tandem-retriever": {"api-key": GATEWAY},
    "tandem-caller": {"api-key": CALLER},
}
# One that scrapes annotated pods, or follows PodMonitors.
PROMETHEUS = os.environ.get("TANDEM_E2E_PROMETHEUS", "http://prometheus.monitoring.svc.cluster.local:9090")
_RESOURCES = {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}


def base(images: Images, storage_class: str) -> Object:
    """A secured installation, small enough that three of them fit into two cores."""
    return merged(
        images.values(),
        {
            "existingSecrets": {
                "keysFile": {"name": "tandem-keys", "key": "keys.yaml"},
                "retriever": {"name": "tandem-retriever", "key": "api-key"},
                "caller": {"name": "tandem-caller", "key": "api-key"},
            },
            # Two cores are soon busy, and a model that takes 20 ms then takes ten times as long: that is no overload yet.
            "config": {"admission": {"slack_s": 0.5}},
            "gateway": {"replicaCount": 1, "resources": _RESOURCES},
            "retriever": {
                "enabled": True,
                "resources": _RESOURCES,
                "persistence": {"enabled": True, "size": "1Gi", "storageClass": storage_class},
            },
            "predictor": {"resources": _RESOURCES, "cache": {"storageClass": storage_class}},
        },
    )
