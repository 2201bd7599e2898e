"""What every installation under test is given besides its profile: images, keys, little of everything, short windows."""

import os

from e2e.cluster import Object
from e2e.images import Images
from e2e.keys import GATEWAY, key_file
from e2e.release import merged

# The caller's and the gateway's keys, and the gateway's own for its retriever.
SECRETS = {"tandem-keys": {"keys.yaml": key_file()}, "tandem-retriever": {"api-key": GATEWAY}}
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
            },
            "gateway": {"replicaCount": 1, "resources": _RESOURCES},
            "retriever": {
                "enabled": True,
                "resources": _RESOURCES,
                "persistence": {"enabled": True, "size": "1Gi", "storageClass": storage_class},
            },
            "predictor": {"resources": _RESOURCES},
        },
    )
