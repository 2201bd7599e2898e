"""The way of a question: in by port-forward, on by cluster DNS names, back as a streamed answer with its source."""

import pytest

from e2e.asking import HARBOUR, ask, put_document
from e2e.release import Release
from e2e.space import Space

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def installed(release: Release) -> Release:
    release.up()
    return release


def test_the_gateway_finds_its_peers_by_their_names_in_the_cluster(installed: Release, ours: Space) -> None:
    (gateway,) = ours.pods("gateway")
    env = {each["name"]: each.get("value", "") for each in gateway["spec"]["containers"][0]["env"]}
    domain = f"{ours.name}.svc.cluster.local"
    assert env["TANDEM_PREDICTOR__URL"] == f"http://{installed.name}-predictor.{domain}"
    names = (f"{installed.name}-predictor.{domain}:80", f"{installed.name}-retriever.{domain}:8000")
    assert ours.reaches(gateway["metadata"]["name"], *names) == dict.fromkeys(names, True)


async def test_a_document_put_over_a_forwarded_port_is_cited_in_a_streamed_answer(
    installed: Release, ours: Space
) -> None:
    with installed.forwarded() as url:
        assert (await put_document(url))["status"] == "added"
        told = await ask(url)
    assert told.pieces > 1
    assert [each["document_id"] for each in told.tandem["citations"]] == ["harbour.md"], told
    assert told.text.strip()


async def test_the_answer_came_from_the_predictor(installed: Release, ours: Space) -> None:
    (predictor,) = ours.pods("predictor")
    before = _answers(ours, predictor["metadata"]["name"])
    with installed.forwarded() as url:
        await put_document(url, text=HARBOUR)
        await ask(url)
    assert _answers(ours, predictor["metadata"]["name"]) == before + 1


def _answers(ours: Space, predictor: str) -> int:
    program = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080/metrics').read().decode())"
    lines = ours.kubectl("exec", predictor, "--", "python", "-c", program).splitlines()
    return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("tgi_request_success")))
