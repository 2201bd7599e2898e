"""Where a gateway may go follows from the URLs in its configuration, and goes no further."""

from typing import Any

import pytest

from charts.rendering import Object, objects

OPEN = {"server": {"allow_unauthenticated": True}}


def _egress(workload: str, **values: Any) -> list[Object]:
    given = {"predictor": {"enabled": False, "external": {"url": "http://10.9.8.7:8080"}}, "config": OPEN, **values}
    (policy,) = (
        one
        for one in objects(values=given)
        if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == f"tandem-{workload}"
    )
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    found: list[Object] = policy["spec"]["egress"]
    return found


def _ports(rule: Object) -> list[int]:
    return [each["port"] for each in rule["ports"]]


def _namespace(rule: Object) -> str | None:
    (peer,) = rule["to"]
    found: str | None = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
    return found


def _qdrant(url: str) -> list[Object]:
    # Behind DNS and the predictor, which are always there.
    return _egress("gateway", retriever={"enabled": False}, config={**OPEN, "vectors": {"url": url}})[1:-1]


@pytest.mark.parametrize(
    ("url", "namespace", "ports"),
    [
        ("http://qdrant:6333", "rag", [6333]),
        ("http://qdrant.stores:6333", "stores", [6333]),
        ("http://qdrant.stores.svc:6333/", "stores", [6333]),
        ("http://qdrant.stores.svc.cluster.local:6333", "stores", [6333]),
        # KServe's Services turn 80 to 8080.
        ("http://qdrant.stores.svc", "stores", [80, 8080]),
        ("https://qdrant.stores.svc.corp.internal", "stores", [443]),
    ],
)
def test_a_name_of_the_cluster_opens_its_namespace(url: str, namespace: str, ports: list[int]) -> None:
    (rule,) = _qdrant(url)
    assert (_namespace(rule), _ports(rule)) == (namespace, ports)


@pytest.mark.parametrize(
    ("url", "block", "ports"),
    [
        ("http://10.1.2.3:6333", {"cidr": "10.1.2.3/32"}, [6333]),
        ("http://[fd00::7]:6333", {"cidr": "fd00::7/128"}, [6333]),
        ("http://[fd00::7]", {"cidr": "fd00::7/128"}, [80]),
    ],
)
def test_an_address_opens_itself(url: str, block: Object, ports: list[int]) -> None:
    (rule,) = _qdrant(url)
    assert (rule["to"], _ports(rule)) == ([{"ipBlock": block}], ports)


def test_a_name_outside_opens_public_addresses_only() -> None:
    (rule,) = _qdrant("https://abc.cloud.qdrant.io:6333")
    (peer,) = rule["to"]
    assert peer["ipBlock"]["cidr"] == "0.0.0.0/0"
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(peer["ipBlock"]["except"])
    assert _ports(rule) == [6333]


def test_grpc_is_opened_beside_rest() -> None:
    vectors = {"url": "http://qdrant.stores:6333", "grpc_port": 6334}
    rules = _egress("gateway", retriever={"enabled": False}, config={**OPEN, "vectors": vectors})[1:-1]
    assert [(_namespace(rule), _ports(rule)) for rule in rules] == [("stores", [6333]), ("stores", [6334])]


def test_with_a_retriever_only_that_one_goes_to_the_store() -> None:
    config = {**OPEN, "vectors": {"url": "http://qdrant.stores:6333"}}
    assert "stores" not in [_namespace(rule) for rule in _egress("gateway", config=config)]
    assert "stores" in [_namespace(rule) for rule in _egress("retriever", config=config)]


def test_a_retriever_with_its_own_store_asks_nothing_but_names() -> None:
    (dns,) = _egress("retriever")
    assert [(each["port"], each["protocol"]) for each in dns["ports"]] == [(53, "UDP"), (53, "TCP")]


def test_pools_and_identity_provider_are_reached() -> None:
    config = {
        "auth": {"mode": "jwt", "jwt": {"jwks_url": "https://id.sso.svc/keys", "audience": "tandem"}},
        "vectors": {"url": "http://qdrant.stores:6333"},
        "pools": [{"name": "a", "endpoints": [{"url": "http://x.one.svc"}, {"url": "http://y.two.svc:9000"}]}],
    }
    rules = _egress("gateway", retriever={"enabled": False}, config=config)
    assert {_namespace(rule) for rule in rules} >= {"sso", "stores", "one", "two"}


def test_what_is_declared_beside_is_added() -> None:
    more = {"to": [{"podSelector": {"matchLabels": {"app": "collector"}}}], "ports": [{"port": 4317}]}
    assert _egress("gateway", networkPolicy={"extraEgress": {"gateway": [more]}})[-1] == more
    assert more not in _egress("retriever", networkPolicy={"extraEgress": {"gateway": [more]}})


def test_receivers_of_telemetry_are_let_through_for_whoever_tells() -> None:
    traces = {"endpoint": "http://otel.observability.svc:4318"}
    config = {
        **OPEN,
        "telemetry": {"traces": traces},
        "monitor": {"otlp": {"endpoint": "https://langfuse.example.com"}},
    }
    of = {workload: _egress(workload, config=config) for workload in ("gateway", "retriever")}
    assert all(
        any(
            _namespace(rule) == "observability" and _ports(rule) == [4318]
            for rule in rules
            if "to" in rule and len(rule["to"]) == 1
        )
        for rules in of.values()
    )
    outside = {workload: [rule for rule in rules if _ports(rule) == [443]] for workload, rules in of.items()}
    assert (len(outside["gateway"]), outside["retriever"]) == (1, [])


def test_a_bucket_for_records_is_looked_for_outside_the_cluster() -> None:
    rules = _egress("gateway", config={**OPEN, "monitor": {"parquet": {"url": "s3://answers/tandem"}}})
    (found,) = (rule for rule in rules if _ports(rule) == [443])
    assert found["to"][0]["ipBlock"]["cidr"] == "0.0.0.0/0"
    assert not [rule for rule in _egress("gateway") if _ports(rule) == [443]]
