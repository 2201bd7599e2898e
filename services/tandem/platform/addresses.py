"""Which servers a release calls, taken from its configuration and the environment of its pods."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from tandem.platform.facts import Facts
from tandem.platform.objects import Object, at, containers

_FILE = "tandem.yaml"
_DOMAIN = ("svc", "cluster", "local")
QDRANT, EMBEDDER, _RETRIEVER = "Qdrant", "the embedder", "the retriever"
_ROLES = {
    "vectors": QDRANT,
    "retriever": _RETRIEVER,
    "reranker": "the reranker",
    "embedder": EMBEDDER,
    "predictor": "the predictor",
}
# What Qdrant's client takes for a URL without one, also with https.
_QDRANT_PORT = 6333
# What is only called by who retrieves.
_OF_RETRIEVAL = frozenset({QDRANT, EMBEDDER, "the reranker"})


def peers(facts: Facts) -> list[tuple[str, str]]:
    """Role and URL of each, once."""
    found = [(role, url) for config in _configs(facts) for role, url in _urls(config)]
    return sorted(set(found))


def called(facts: Facts, template: Object, *, retrieves: bool, answers: bool) -> list[tuple[str, str]]:
    """Role and URL of what pods of that template call: whoever does not retrieve by itself asks the retriever."""
    own = [_environment(container) for container in containers(at(template, "spec", default={}))]
    shared = [_parsed(at(holder, "data", _FILE, default="")) for holder in facts.of("ConfigMap")]
    found = {each for config in (*own, *shared) for each in _urls(config)}
    return sorted((role, url) for role, url in found if _does(role, retrieves=retrieves, answers=answers))


def _does(role: str, *, retrieves: bool, answers: bool) -> bool:
    if role in _OF_RETRIEVAL:
        return retrieves
    return not retrieves if role == _RETRIEVER else answers


def configured(facts: Facts, *path: str) -> str:
    """What the configuration of the release says there, as text; empty where it says nothing."""
    said = (at(config, *path) for config in _configs(facts))
    return next((str(each) for each in said if each is not None), "")


def collection(facts: Facts) -> str:
    """The one that is asked when nothing else is said."""
    return configured(facts, "retrieval", "collection") or "docs"


def service(url: str, home: str) -> tuple[str, str]:
    """Name and namespace of the Service that a URL points to; empty when it leads out of the cluster, or is an address."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    parts = host.split(".")
    if not host or host == "localhost" or parts[-1].isdigit() or ":" in host:
        return "", ""
    if len(parts) == 1:
        return host, home
    if len(parts) >= 3 and tuple(parts[2:]) == _DOMAIN[: len(parts) - 2]:
        return parts[0], parts[1]
    return "", ""


def state(body: str) -> str:
    """`status` of what /readyz answers."""
    try:
        return str(json.loads(body).get("status", ""))
    except (ValueError, AttributeError):
        return ""


def _configs(facts: Facts) -> Iterator[Mapping[str, Any]]:
    for holder in facts.of("ConfigMap"):
        yield _parsed(at(holder, "data", _FILE, default=""))
    for workload in (*facts.of("Deployment"), *facts.of("StatefulSet")):
        for container in containers(at(workload, "spec", "template", "spec", default={})):
            yield _environment(container)


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _environment(container: Object) -> Mapping[str, Any]:
    """TANDEM_X__URL of its environment, as the configuration has it."""
    values = {str(each.get("name")): each.get("value") for each in container.get("env") or ()}
    config: dict[str, Any] = {key: {"url": values.get(f"TANDEM_{key.upper()}__URL")} for key in _ROLES}
    config["pools"] = _parsed(f"pools: {values.get('TANDEM_POOLS') or '[]'}").get("pools")
    return config


def _urls(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, role in _ROLES.items():
        url = at(config, key, "url")
        if isinstance(url, str):
            yield role, _with_port(url) if role == QDRANT else url
    for pool in config.get("pools") or ():
        for endpoint in at(pool, "endpoints", default=()):
            url = at(endpoint, "url")
            if isinstance(url, str):
                yield f"the predictor of pool {at(pool, 'name', default='default')}", url


def _with_port(url: str) -> str:
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.port:
            return url
    except ValueError:
        return url
    return parts._replace(netloc=f"{parts.netloc}:{_QDRANT_PORT}").geturl()
