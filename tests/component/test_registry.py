"""Registries as they answer: images that are there, are not, or want credentials."""

import json
from collections.abc import Iterator

import pytest

from fakes.live_http import Silent, live_http
from tandem.adapters.models.oci_registry import Image, parsed
from tandem.platform.registry import answers


class Registry(Silent):
    """Public images are for whoever fetches the token that anybody gets."""

    def do_GET(self) -> None:
        assert self.path.startswith("/token?service=here&scope=repository:")
        odd = "odd" in self.path
        self.say(200, json.dumps(["anybody"] if odd else {"token": "anybody"}).encode())

    def do_HEAD(self) -> None:
        open_to = {
            "/v2/org/good/manifests/1": 200,
            "/v2/org/good/manifests/sha256:1": 200,
            "/v2/org/mine/manifests/1": 403,
        }
        if self.path.startswith("/v2/org/moved"):
            self.say(307, location=self.path.replace("moved", "good"))
        elif self.headers.get("authorization") == "Bearer anybody":
            self.say(open_to.get(self.path, 404))
        elif self.path.startswith("/v2/org/down"):
            self.say(503)
        elif self.path.startswith("/v2/org/busy"):
            self.say(429)
        else:
            host = self.headers["host"]
            self.say(401, www_authenticate=f'Bearer realm="http://{host}/token",service="here",scope="x"')


@pytest.fixture
def place() -> Iterator[str]:
    with live_http(Registry) as url:
        yield url.removeprefix("http://")


def test_what_a_registry_has(place: str) -> None:
    wanted = {
        "org/busy:1": "unreachable",
        "org/odd:1": "unreachable",
        "org/moved:1": "ok",
        "org/good:1": "ok",
        "org/good:2": "absent",
        "org/good:9@sha256:1": "ok",
        "org/mine:1": "denied",
        "org/down:1": "unreachable",
    }
    found = [(image, outcome) for image, outcome, _ in answers(f"{place}/{image}" for image in wanted)]
    assert found == [(f"{place}/{image}", outcome) for image, outcome in wanted.items()]


def test_a_registry_that_is_not_there_is_asked_once() -> None:
    found = [outcome for _, outcome, _ in answers(["127.0.0.1:9/a:1", "127.0.0.1:9/b:1"])]
    assert found == ["unreachable", "unreachable"]


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("python", ("docker.io", "library/python", "latest")),
        ("vllm/vllm-openai:v0.11.0", ("docker.io", "vllm/vllm-openai", "v0.11.0")),
        ("ghcr.io/tandem-rag/tandem:0.1.0", ("ghcr.io", "tandem-rag/tandem", "0.1.0")),
        ("localhost/tandem:1", ("localhost", "tandem", "1")),
        ("registry:5000/a/b@sha256:0", ("registry:5000", "a/b", "sha256:0")),
    ],
)
def test_a_reference_taken_apart(image: str, parts: tuple[str, str, str]) -> None:
    assert parsed(image) == Image(*parts)
