"""What the chart gives a workload is a configuration that its process starts with: file, environment and secrets together."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from charts.rendering import CHART, Case, Object, cases, objects, rendered
from tandem.app.settings import Settings, load_settings

EXTERNAL = "http://llm.models.svc.cluster.local"


def _containers(found: list[Object]) -> Iterator[tuple[str, Object]]:
    for one in found:
        if one["kind"] in {"Deployment", "StatefulSet"}:
            (container,) = one["spec"]["template"]["spec"]["containers"]
            yield one["metadata"]["labels"]["app.kubernetes.io/component"], container


# What is in a Secret where not everything will do.
_SECRETS = {
    "TANDEM_QUOTAS__STORE_URL": "redis://quotas:6379",
    "TANDEM_STATE__URL": "postgresql://tandem:secret@sql:5432/tandem",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=from-a-secret",
    "TANDEM_PRIVACY__USER_KEY": "from-a-secret-that-is-long",
    "TANDEM_JOBS__WEBHOOKS__SECRET": "from-a-secret-that-is-long",
    "TANDEM_FOLLOW__SECRET": "from-a-secret-that-is-long",
}


def _environment(container: Object) -> dict[str, str]:
    """As the kubelet makes it: references to what came before are filled in."""
    made: dict[str, str] = {}
    for each in container["env"]:
        value = each.get("value", _SECRETS.get(each["name"], "from-a-secret"))
        made[each["name"]] = re.sub(r"\$\((\w+)\)", lambda found: made[found[1]], value)
    return made


def started(found: list[Object], folder: Path, patch: pytest.MonkeyPatch) -> dict[str, Settings]:
    """The settings of each workload."""
    (text,) = (
        one["data"]["tandem.yaml"]
        for one in found
        if one["kind"] == "ConfigMap" and one["metadata"]["name"].endswith("-config")
    )
    file = folder / "tandem.yaml"
    file.write_text(text)
    made = {}
    for name, container in _containers(found):
        with patch.context() as inside:
            for variable, value in _environment(container).items():
                inside.setenv(variable, value)
            made[name] = load_settings(file)
    return made


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_every_workload_starts(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = started(rendered(case), tmp_path, monkeypatch)
    assert "gateway" in made
    for name, settings in made.items():
        assert (settings.server.host, settings.server.port) == ("0.0.0.0", 8000)
        # A worker answers probes and metrics only, which need no key.
        assert name == "worker" or not settings.public_without_keys()
        assert settings.server.drain_delay_s > 0
    if "worker" in made:
        assert made["worker"].retriever.url or made["worker"].vectors.url
        assert made["worker"].worker.peers
        if made["worker"].worker.queues == {"ingest"}:
            assert made["worker"].ingestion.sources
        else:
            assert made["worker"].state.url == made["gateway"].state.url
            assert made["worker"].predictor == made["gateway"].predictor
    gateway = made["gateway"]
    assert gateway.pools or gateway.predictor.url
    assert all(endpoint.url for pool in gateway.pools for endpoint in pool.endpoints)
    assert gateway.retriever.url or gateway.vectors.url
    if "retriever" in made:
        # It is called by its peers, with keys; a token of an identity provider is none of its business.
        wanted = "none" if gateway.auth.mode == "none" else "keys"
        assert made["retriever"].auth.mode == wanted
        assert (gateway.retriever.api_key is not None) == (wanted == "keys")
        # A retriever by its URL would be itself.
        assert made["retriever"].retriever.url is None


def test_keys_of_pools_reach_their_endpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pools = [
        {"name": "own", "region": "here", "endpoints": [{"url": EXTERNAL}]},
        {
            "name": "cloud",
            "endpoints": [{"url": "https://llm.example.com/?a=1&b=2", "protocol": "openai", "model": "m"}],
        },
    ]
    values = {
        "config": {"server": {"allow_unauthenticated": True}, "pools": pools},
        "predictor": {"enabled": False},
        "existingSecrets": {"pools": {"cloud": {"name": "cloud", "key": "token"}}},
    }
    found = objects(values=values)
    own, cloud = started(found, tmp_path, monkeypatch)["gateway"].pools
    assert own.endpoints[0].api_key is None
    assert cloud.endpoints[0].api_key is not None
    assert cloud.endpoints[0].api_key.get_secret_value() == "from-a-secret"
    assert (own.region, cloud.endpoints[0].url) == ("here", "https://llm.example.com/?a=1&b=2")
    (config,) = (one for one in found if one["kind"] == "ConfigMap" and "tandem.yaml" in one["data"])
    assert "token" not in str(config)


def test_prompts_are_mounted_under_their_own_names() -> None:
    text = "  indented\n{{ question }} <&>\n"
    values = {"config": {"server": {"allow_unauthenticated": True}, "prompt": "mine@2"}, "prompts": {"mine@2": text}}
    found = objects(CHART / "values-small-cpu.yaml", values=values)
    (config,) = (one for one in found if one["kind"] == "ConfigMap" and "tandem.yaml" in one["data"])
    (gateway,) = (one for one in found if one["kind"] == "Deployment")
    pod = gateway["spec"]["template"]["spec"]
    (volume,) = (one["configMap"] for one in pod["volumes"] if one["name"] == "config")
    paths = {item["path"]: config["data"][item["key"]] for item in volume["items"]}
    assert paths["prompts/mine@2.jinja"] == text
    assert "tandem.yaml" in paths
    assert _environment(pod["containers"][0])["TANDEM_PROMPTS_DIR"] == "/etc/tandem/prompts"


def test_changed_configuration_or_prompts_replace_the_pods() -> None:
    def checksums(**values: object) -> set[str]:
        given = {"config": {"server": {"allow_unauthenticated": True}}, **values}
        found = objects(CHART / "values-small-cpu.yaml", values=given)
        pods = [one["spec"]["template"] for one in found if one["kind"] in {"Deployment", "StatefulSet"}]
        return {pod["metadata"]["annotations"]["checksum/config"] for pod in pods}

    before = checksums()
    assert len(before) == 1
    assert checksums() == before
    assert checksums(prompts={"mine@2": "{{ question }}"}) != before
    assert checksums(config={"server": {"allow_unauthenticated": True}, "prompt": "mine@2"}) != before
