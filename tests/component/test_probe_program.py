"""The program that `tandem doctor --probe` runs in pods, run here against servers that are real."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tandem.platform.inside
from fakes.live_http import Silent, live_http

PROGRAM = Path(tandem.platform.inside.__file__)
HUB = {"kind": "hub", "repo": "org/model", "revision": "main", "file": "config.json", "target": "org/model@main"}


def tried(*what: dict[str, str], **env: str) -> list[dict[str, str]]:
    """As in a pod: the source as an argument, secrets by environment."""
    command = [sys.executable, "-I", "-c", PROGRAM.read_text(encoding="utf-8"), json.dumps(what)]
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True, timeout=60, check=True
    )
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


class Server(Silent):
    """A hub by its heads, an embedding server by its posts."""

    def do_HEAD(self) -> None:
        repo, token = self.path.split("/resolve/")[0], self.headers.get("authorization")
        status, code = {
            "/org/model": (302 if token == "Bearer good" else 403 if token else 401, "" if token == "Bearer good" else "GatedRepo"),
            "/org/old": (404, "RevisionNotFound"),
            "/org/bare": (404, "EntryNotFound"),
            "/org/down": (500, ""),
        }.get(repo, (404, "RepoNotFound"))  # fmt: skip
        self.say(status, x_error_code=code, location="http://127.0.0.1:9/elsewhere")

    def do_GET(self) -> None:
        """A Qdrant that asks for a key, with a collection whose second version serves."""
        if self.headers.get("api-key") != "good":
            self.say(401)
            return
        size = {"vectors": {"dense": {"size": 768}}}
        result = {
            "/aliases": {"aliases": [{"alias_name": "docs@serving.2", "collection_name": "docs@2"}]},
            "/collections": {"collections": [{"name": "docs@1"}, {"name": "docs@2"}]},
            "/collections/docs%402": {"config": {"params": size}},
        }[self.path]
        self.say(200, json.dumps({"result": result}).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        vector = [0.0] * 7
        found = [vector] if "inputs" in body else {"data": [{"embedding": vector}]}
        self.say(200, json.dumps(found).encode())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with live_http(Server) as running:
        yield running


def test_paths_that_are_open_closed_and_nowhere(url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        found = tried(*({"kind": "path", "target": each} for each in (url, closed, "http://no.such.invalid:80")))
    assert [each["outcome"] for each in found] == ["ok", "refused", "name"]


def test_an_address_with_a_password_is_tried_and_not_told(url: str) -> None:
    store = {"kind": "path", "target": "PostgreSQL", "env": "TANDEM_STATE__URL"}
    secret = url.replace("http://", "postgresql+psycopg://tandem:hidden@") + "/tandem"
    (found,) = tried(store, TANDEM_STATE__URL=secret)
    assert found["outcome"] == "ok"
    assert "hidden" not in json.dumps(found)
    (absent,) = tried(store)
    assert absent["outcome"] == "ok"


@pytest.mark.parametrize(
    ("repo", "token", "outcome"),
    [
        ("org/model", "good", "ok"),
        ("org/model", "other", "gated"),
        ("org/model", "", "no-token"),
        ("org/old", "", "no-revision"),
        ("org/bare", "", "ok"),
        ("org/none", "", "absent"),
        ("org/down", "", "failed"),
    ],
)
def test_what_a_hub_lets_a_token_read(url: str, repo: str, token: str, outcome: str) -> None:
    (found,) = tried({**HUB, "repo": repo}, HF_ENDPOINT=url, HF_TOKEN=token)
    assert found["outcome"] == outcome


def test_how_long_an_embedder_s_vectors_are(url: str) -> None:
    what = {"kind": "embedder", "target": url, "model": "m"}
    found = tried(
        {**what, "protocol": "tei"},
        {**what, "protocol": "openai"},
        {**what, "protocol": "tei", "target": "http://127.0.0.1:9"},
    )
    assert [(each["outcome"], each["said"]) for each in found[:2]] == [("ok", "7"), ("ok", "7")]
    assert found[2]["outcome"] == "refused"


def test_how_long_the_vectors_in_a_qdrant_are_that_wants_a_key(url: str) -> None:
    what = {"kind": "vectors", "target": url, "collection": "docs"}
    (found,) = tried(what, TANDEM_VECTORS__API_KEY="good")
    assert (found["outcome"], found["said"]) == ("ok", "768")
    (other,) = tried({**what, "collection": "none"}, TANDEM_VECTORS__API_KEY="good")
    assert (other["outcome"], other["said"]) == ("ok", "")
    (shut,) = tried(what)
    assert (shut["outcome"], shut["said"]) == ("failed", "status 401")
    assert "good" not in json.dumps(found)
