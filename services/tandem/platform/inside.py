"""Runs in a pod of the cluster, by Python alone: tries what it is told to on its command line, and prints what came of it as JSON.

Its arguments are `[{"kind", "target", …}]` as JSON. Secrets come by environment and are never printed.
"""

import json
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

_ENVIRONMENT = os.environ  # noqa: TID251 - no Tandem runs here: what it is to try came this way
_TIMEOUT_S = 5.0
_PORTS = {"https": 443, "postgresql": 5432, "postgres": 5432, "redis": 6379, "rediss": 6379}


def tried(what: dict[str, Any]) -> dict[str, str]:
    """`outcome` is ok, or a word for what went wrong; `target` without a password."""
    kinds = {"name": name, "path": path, "hub": hub, "embedder": embedder, "vectors": vectors}
    try:
        return {"said": "", **what, **kinds[what["kind"]](what)}
    except TimeoutError:
        return {**what, "outcome": "timeout"}
    except urllib.error.HTTPError as error:
        return {**what, "outcome": "failed", "said": f"status {error.code}"}
    except (ValueError, KeyError, TypeError, IndexError):
        return {**what, "outcome": "failed", "said": "it does not answer as it should"}
    except urllib.error.URLError as error:
        return {**what, "outcome": _of(error.reason), "said": str(error.reason)}
    except OSError as error:
        return {**what, "outcome": _of(error), "said": str(error)}


def name(what: dict[str, Any]) -> dict[str, str]:
    """Whether the cluster's DNS answers at all."""
    socket.getaddrinfo(what["target"], None)
    return {"outcome": "ok"}


def path(what: dict[str, Any]) -> dict[str, str]:
    """A connection to the URL, or to the one in the environment variable `env`."""
    url = urlsplit(_ENVIRONMENT.get(what["env"], "") if what.get("env") else what["target"])
    if not url.hostname:
        return {"outcome": "ok", "said": "no address"}
    port = url.port or _PORTS.get(url.scheme.partition("+")[0], 80)
    shown = what["target"] if not what.get("env") else f"{url.hostname}:{port}"
    try:
        place = socket.getaddrinfo(url.hostname, port, type=socket.SOCK_STREAM)[0][4]
    except socket.gaierror as error:
        return {"target": shown, "outcome": "name", "said": str(error.strerror or error)}
    try:
        socket.create_connection((str(place[0]), int(place[1])), timeout=_TIMEOUT_S).close()
    except OSError as error:
        return {"target": shown, "outcome": _of(error), "said": str(error.strerror or error)}
    return {"target": shown, "outcome": "ok"}


def hub(what: dict[str, Any]) -> dict[str, str]:
    """Whether the token reads one file of the repository: what a gated one shows to anybody else is only its name."""
    base = _ENVIRONMENT.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    token = _ENVIRONMENT.get("HF_TOKEN", "")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    url = f"{base}/{what['repo']}/resolve/{what['revision']}/{what['file']}"
    request = urllib.request.Request(url, method="HEAD", headers=headers)  # noqa: S310 - the hub's address
    try:
        with _not_followed().open(request, timeout=_TIMEOUT_S):
            return {"outcome": "ok"}
    except urllib.error.HTTPError as error:
        code = error.headers.get("x-error-code", "")
        if error.code in {301, 302, 303, 307, 308} or code == "EntryNotFound":
            return {"outcome": "ok"}
        if code == "RevisionNotFound":
            return {"outcome": "no-revision"}
        if code == "GatedRepo" or error.code in {401, 403}:
            return {"outcome": "gated" if token else "no-token"}
        return {"outcome": "absent" if error.code == 404 else "failed", "said": f"status {error.code}"}


def embedder(what: dict[str, Any]) -> dict[str, str]:
    """How long its vectors are."""
    tei = what["protocol"] == "tei"
    body = {"inputs": ["x"]} if tei else {"input": ["x"], "model": what["model"]}
    key = _ENVIRONMENT.get("TANDEM_EMBEDDER__API_KEY", "")
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    url = what["target"].rstrip("/") + ("/embed" if tei else "/v1/embeddings")
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - the configuration's address
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
        found = json.load(answer)
    return {"outcome": "ok", "said": str(len(found[0] if tei else found["data"][0]["embedding"]))}


def vectors(what: dict[str, Any]) -> dict[str, str]:
    """How long those of a collection in Qdrant are."""
    key = _ENVIRONMENT.get("TANDEM_VECTORS__API_KEY", "")

    def ask(place: str) -> Any:
        url = what["target"].rstrip("/") + place
        request = urllib.request.Request(url, headers={"api-key": key} if key else {})  # noqa: S310
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return json.load(answer)["result"]

    return {"outcome": "ok", "said": str(size_of(ask, what["collection"]) or "")}


def size_of(ask: Callable[[str], Any], collection: str) -> int:
    """Of the version that serves; 0 when there is none, or its vectors are named otherwise. `ask` is Qdrant's `result` by path."""
    serving = {each["alias_name"]: each["collection_name"] for each in ask("/aliases")["aliases"]}
    tokens = (target for alias, target in serving.items() if alias.startswith(f"{collection}@serving."))
    named = serving.get(collection) or next(tokens, collection)
    if named not in {each["name"] for each in ask("/collections")["collections"]}:
        return 0
    params = ask(f"/collections/{quote(named)}")["config"]["params"]
    return int(((params.get("vectors") or {}).get("dense") or {}).get("size") or 0)


def _of(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, socket.gaierror):
        return "name"
    return "refused" if isinstance(error, ConnectionRefusedError) else "failed"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """A redirect is an answer: weights lie elsewhere."""


def _not_followed() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Stay)


if __name__ == "__main__":
    sys.stdout.write(json.dumps([tried(each) for each in json.loads(sys.argv[1])]) + "\n")
