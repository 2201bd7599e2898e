import json
from typing import Any, cast

import pytest

from fakes.kubernetes_objects import facts, thing
from tandem.platform.cluster import Answer, Cluster
from tandem.platform.facts import Peer, Presence, Stored
from tandem.platform.vectors import stored

SIZE = {"config": {"params": {"vectors": {"dense": {"size": 768}}}}}
RESULTS = {"/aliases": {"aliases": []}, "/collections": {"collections": [{"name": "docs"}]}, "/collections/docs": SIZE}


class Forwarding:
    """A Qdrant whose Service has other ports than its pods, one of which is ready."""

    def read(self, path: str, **_: object) -> Any:
        ports = [{"name": "grpc", "port": 6334}, {"name": "http", "port": 80}, {"name": "rest", "port": 6333}]
        assert path == "/api/v1/namespaces/vectors/services/qdrant"
        return {"spec": {"ports": ports}}

    def items(self, path: str, **query: str) -> Any:
        assert query == {"labelSelector": "kubernetes.io/service-name=qdrant"}
        ports = [{"name": "grpc", "port": 16334}, {"name": "http", "port": 16333}, {"name": "rest", "port": 16333}]
        pods = [("qdrant-0", False), ("qdrant-1", True)]
        endpoints = [{"targetRef": {"name": name}, "conditions": {"ready": ready}} for name, ready in pods]
        return ({"ports": ports, "endpoints": endpoints},)

    def ask(self, namespace: str, pod: str, port: int, path: str) -> Answer:
        assert (namespace, pod, port) == ("vectors", "qdrant-1", 16333)
        return Answer(200, json.dumps({"result": RESULTS[path]}))


@pytest.mark.parametrize("url", ["http://qdrant.vectors.svc:80", "http://qdrant.vectors.svc:6333"])
def test_qdrant_is_asked_at_the_port_of_its_pods(url: str) -> None:
    peer = Peer("Qdrant", url, "qdrant", "vectors", Presence.present, 1, "qdrant-1")
    config = thing("ConfigMap", "tandem-config", data={"tandem.yaml": f"vectors: {{url: '{url}'}}\n"})
    assert stored(cast("Cluster", Forwarding()), facts(config), [peer]) == (Stored("docs", 768),)
