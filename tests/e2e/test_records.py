"""Records of answers reach a receiver through the network policies, and a rollout under load loses none of them."""

import asyncio
import time
from collections.abc import Iterator

import aiohttp
import pytest

from e2e.cluster import Cluster, Object
from e2e.figures import record
from e2e.forwarding import forwarded
from e2e.keys import CALLER
from e2e.load import Outcomes, offer
from e2e.pods import INSIDE
from e2e.release import Release
from e2e.space import Space, space
from e2e.steady import steady

pytestmark = pytest.mark.timeout(400)
PORT = 4318
TOKENS, RATE, LOAD_S = 40, 6.0, 18.0


@pytest.fixture(scope="module")
def receiver(cluster: Cluster, ours: Space) -> Iterator[Space]:
    """A receiver of OTLP in a namespace of its own, which lets gateways in and nobody else."""
    with space(cluster, f"{ours.name}-observability", ours.image, keep=False) as made:
        gateways = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ours.name}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/component": "gateway"}},
        }
        cluster.apply(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": "receiver", "namespace": made.name},
                "spec": {
                    "podSelector": {},
                    "policyTypes": ["Ingress"],
                    "ingress": [{"from": [gateways], "ports": [{"port": PORT, "protocol": "TCP"}]}],
                },
            }
        )
        made.serve("receiver", INSIDE / "otlp.py", [str(PORT)], PORT)
        yield made


@pytest.fixture(scope="module")
def address(receiver: Space) -> str:
    return f"receiver.{receiver.name}.svc.cluster.local:{PORT}"


@pytest.fixture(scope="module")
def installed(release: Release, ours: Space, address: str) -> Release:
    values: Object = {
        **steady(ours, tokens=TOKENS, gap_ms=50.0),
        "gateway": {"replicaCount": 2},
    }
    release.up(values, {"config": {"monitor": {"otlp": {"endpoint": f"http://{address}"}}}}, files=())
    return release


@pytest.fixture(scope="module")
def rolled(installed: Release, ours: Space) -> Outcomes:
    """Every gateway is replaced while answers are given."""
    before = {pod["metadata"]["uid"] for pod in ours.pods("gateway")}
    load = offer(ours, "load-records", installed.url, rate=RATE, seconds=LOAD_S, key=CALLER, max_tokens=TOKENS)
    time.sleep(5)
    ours.kubectl("rollout", "restart", f"deployment/{installed.gateway}")
    ours.kubectl("rollout", "status", f"deployment/{installed.gateway}", "--timeout=120s")
    outcomes = load.outcomes()
    assert not before & {pod["metadata"]["uid"] for pod in ours.pods("gateway")}
    return outcomes


async def arrived(receiver: Space) -> dict[str, int]:
    """The receipts of what the receiver got, with how often."""
    with forwarded(receiver.cluster, receiver.name, "svc/receiver", "http") as url:
        async with aiohttp.ClientSession() as http, http.get(f"{url}/ids") as reply:
            found: dict[str, int] = await reply.json()
            return found


def test_the_gateway_alone_reaches_the_receiver(installed: Release, ours: Space, address: str) -> None:
    pods = {name: ours.pods(name)[0]["metadata"]["name"] for name in ("gateway", "retriever")}
    reached = {name: ours.reaches(pod, address)[address] for name, pod in pods.items()}
    assert reached == {"gateway": True, "retriever": False}


async def test_a_rollout_under_load_loses_no_record(rolled: Outcomes, receiver: Space) -> None:
    answered = {one.receipt for one in rolled.each if one.ending == "done"}
    assert rolled.failed == []
    assert len(answered) == len(rolled.each) > RATE * LOAD_S * 0.9
    # Those of gateways that are gone were sent before they went; the others' may be under way.
    deadline_s = time.monotonic() + 30
    while (missing := answered - (await arrived(receiver)).keys()) and time.monotonic() < deadline_s:
        await asyncio.sleep(1)
    came = await arrived(receiver)
    record(
        "records_lost_in_rollout",
        len(missing),
        of=len(answered),
        twice=sum(came[one] > 1 for one in answered & came.keys()),
    )
    assert missing == set()


async def test_receipts_outlive_the_gateways_that_gave_them(installed: Release, rolled: Outcomes) -> None:
    first = min(rolled.each, key=lambda one: one.at_s).receipt
    with installed.forwarded() as url:
        async with aiohttp.ClientSession(headers={"authorization": f"Bearer {CALLER}"}) as http:
            for receipt in (first, rolled.each[-1].receipt):
                async with http.get(f"{url}/v1/receipts/{receipt}") as reply:
                    assert reply.status == 200, await reply.text()
                    assert (await reply.json())["id"] == receipt


def test_records_lie_on_a_volume_of_the_gateway(installed: Release, ours: Space) -> None:
    name = ours.pods("gateway")[0]["metadata"]["name"]
    program = "import os; print(' /var/lib/tandem/monitor ' in open('/proc/mounts').read(), *os.listdir('/var/lib/tandem/monitor'))"
    mounted, *inside = ours.kubectl("exec", name, "--", "python", "-c", program).split()
    assert mounted == "True"
    assert {"segments", "cursors"} <= set(inside)
