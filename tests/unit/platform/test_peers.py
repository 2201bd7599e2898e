from typing import Any

import pytest

from fakes.kubernetes_objects import facts, one, pod, running, thing
from tandem.platform import addresses
from tandem.platform.doctor import conclude
from tandem.platform.facts import Peer, Presence, Seen
from tandem.platform.findings import Severity
from tandem.platform.rules.peers import peers
from tandem.platform.rules.seen import seen

URL = "http://tandem-predictor.prod.svc.cluster.local"


@pytest.mark.parametrize(
    ("url", "service"),
    [
        (URL, ("tandem-predictor", "prod")),
        ("http://qdrant.qdrant.svc:6333", ("qdrant", "qdrant")),
        ("http://tandem-retriever:8000", ("tandem-retriever", "home")),
        ("http://10.0.0.7:6333", ("", "")),
        ("http://[fd00::1]:6333", ("", "")),
        ("http://localhost:1", ("", "")),
        ("https://api.example.com/v1", ("", "")),
        ("https://qdrant.example.com.", ("", "")),
    ],
)
def test_the_service_behind_a_url(url: str, service: tuple[str, str]) -> None:
    assert addresses.service(url, "home") == service


def test_the_servers_that_configuration_and_environment_name() -> None:
    config = thing("ConfigMap", "tandem-config", data={"tandem.yaml": "vectors: {url: 'http://qdrant:6333'}\n"})
    pools = '[{"name": "big", "endpoints": [{"url": "http://big.models.svc"}]}]'
    env = [{"name": "TANDEM_PREDICTOR__URL", "value": URL}, {"name": "TANDEM_POOLS", "value": pools}]
    spec = {"template": {"spec": {"containers": [{"name": "gateway", "env": env}]}}}
    found = addresses.peers(facts(config, thing("Deployment", "tandem-gateway", spec=spec)))
    assert found == [
        ("Qdrant", "http://qdrant:6333"),
        ("the predictor", URL),
        ("the predictor of pool big", "http://big.models.svc"),
    ]


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://qdrant.vectors", "http://qdrant.vectors:6333"),
        ("https://key@qdrant.example.com/path", "https://key@qdrant.example.com:6333/path"),
        ("http://[fd00::1]", "http://[fd00::1]:6333"),
        ("http://qdrant:80", "http://qdrant:80"),
        (":memory:", ":memory:"),
        ("http://qdrant:port", "http://qdrant:port"),
    ],
)
def test_a_qdrant_without_a_port_is_where_its_client_looks(url: str, asked: str) -> None:
    config = thing("ConfigMap", "tandem-config", data={"tandem.yaml": f"vectors: {{url: '{url}'}}\n"})
    assert addresses.peers(facts(config)) == [("Qdrant", asked)]


@pytest.mark.parametrize("text", ["vectors: [", "- a", "vectors: 3", "pools: [1]"])
def test_a_configuration_that_is_broken_names_no_servers(text: str) -> None:
    assert addresses.peers(facts(thing("ConfigMap", "c", data={"tandem.yaml": text}))) == []


def peer(presence: Presence = Presence.present, ready: int = 0, role: str = "the predictor") -> Peer:
    return Peer(role, URL, "tandem-predictor", "prod", presence, ready)


def test_a_service_that_is_not_there() -> None:
    finding = one(peers(facts(peers=(peer(Presence.missing, role="Qdrant"),))))
    assert "namespace 'prod' has no Service 'tandem-predictor'" in finding.problem
    assert "config.vectors.url" in finding.fix


def test_a_service_without_a_pod_that_is_ready() -> None:
    assert one(peers(facts(peers=(peer(),)))).rule == "peer-unreachable"
    assert list(peers(facts(peers=(peer(ready=1), peer(Presence.unknown))))) == []


def test_a_predictor_at_zero_replicas_is_asleep() -> None:
    asleep = thing("Deployment", "tandem-predictor", "predictor", spec={"replicas": 0})
    assert one(peers(facts(asleep, peers=(peer(),)))).severity is Severity.note


def said(metrics: str) -> Any:
    return facts(pod(ready=True), seen={"tandem-gateway-1": Seen("ready", metrics)})


def test_what_a_gateway_sees() -> None:
    open_breaker = 'tandem_pool_endpoints{breaker="open",pool="default"} 1.0\n'
    assert "breaker open" in one(seen(said(f"# TYPE tandem_pool_endpoints gauge\n{open_breaker}"))).problem
    failures = 'tandem_retrieval_failures_total{code="upstream_unavailable"} 3.0\n'
    finding = one(seen(said(f"# TYPE tandem_retrieval_failures counter\n{failures}")))
    assert (finding.severity, finding.problem) == (
        Severity.note,
        "3 retrievals failed since it started (upstream_unavailable)",
    )
    assert one(seen(said("tandem_quota_store_up 0.0\n"))).rule == "peer-lost"
    well = open_breaker.replace(" 1.0", " 0.0") + "tandem_quota_store_up 1.0\n"
    assert list(seen(said(well))) == []


def test_a_consequence_is_not_told_beside_its_cause() -> None:
    config_error = {
        "name": "predictor",
        "ready": False,
        "restartCount": 0,
        "image": "x",
        "state": {"waiting": {"reason": "ErrImagePull"}},
    }
    failing = pod("tandem-predictor-1", "predictor", phase="Pending", containers=[config_error])
    service = thing(
        "InferenceService",
        "tandem",
        "predictor",
        status={"conditions": [{"type": "Ready", "status": "False", "message": "x"}]},
    )
    gateway = pod(containers=[running()])
    found = conclude(facts(failing, service, gateway, peers=(peer(),)))
    assert [each.rule for each in found] == ["image-pull", "not-ready"]


def test_replicas_that_suffer_the_same_are_told_once_and_notes_last() -> None:
    state = {
        "name": "gateway",
        "ready": False,
        "restartCount": 0,
        "image": "x",
        "state": {"waiting": {"reason": "ErrImagePull"}},
    }
    both = [pod(f"tandem-gateway-{number}", phase="Pending", containers=[state]) for number in (1, 2)]
    found = conclude(facts(*both, unread={"nodes": "forbidden"}))
    assert [(each.rule, each.severity) for each in found] == [("image-pull", "problem"), ("no-rights", "note")]
