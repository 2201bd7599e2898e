"""Whether retrieval as a service of its own pays: what its replicas and its hop take, and what they spare the gateways."""

from dataclasses import dataclass

import numpy as np

from tandem.platform.plan.costs import vcpus_of_gateway
from tandem.platform.plan.prices import HOURS_A_MONTH, Book
from tandem.platform.plan.scaling import gateways_by_minute
from tandem.platform.plan.traffic import Floats, Gateway, Traffic

# Of either: fewer would be none while one is replaced.
_LEAST = 2


@dataclass(frozen=True, slots=True)
class Apart:
    """Pods are those of the busiest minute; money is a month's, in the book's currency; `spared_vcpus` and `added_vcpus` are what
    questions take on average over the day, less in gateways and more in all.

    `pays_from_gb`: memory of retrieval's models in one process (embedder, cross-encoder) from which on fewer copies of them
    spare what the hop and its replicas cost; None where there would be no fewer.
    """

    gateways_inside: int
    gateways: int
    retrievers: int
    spared_vcpus: float
    added_vcpus: float
    added_cost: float
    added_gb: float
    first_p50_s: float
    first_p99_s: float
    pays_from_gb: float | None

    def told(self, currency: str) -> str:
        """In two sentences."""
        less_more = "more" if self.added_cost >= 0 else "less"
        pods = (
            f"A retriever of its own takes {self.gateways} gateways and {self.retrievers} retrievers in place of "
            f"{self.gateways_inside} gateways, {abs(self.added_cost):,.0f} {currency} a month {less_more}, and first tokens "
            f"{self.first_p50_s * 1e3:.0f} ms later; gateways are spared {self.spared_vcpus:.2g} vCPUs, all together take "
            f"{self.added_vcpus:.2g} more"
        )
        if self.added_cost < 0:
            return f"{pods}. It pays."
        if self.pays_from_gb is None:
            return f"{pods}. It does not pay: there would be no fewer copies of retrieval's models."
        return f"{pods}. It pays where retrieval's models take {self.pays_from_gb:.2g} GB or more in each process."


def apart(book: Book, traffic: Traffic, *, owned: bool) -> Apart:
    """Beside gateways on CPUs of their own; `owned` pods are there all day, as many as the busiest minute takes."""
    measured, cpu_s = book.retrieval, traffic.gateway.cpu_s
    hop_s = measured.gateway_cpu_s + measured.retriever_cpu_s - measured.inside_cpu_s
    stays_s = cpu_s * measured.gateway_cpu_s / measured.inside_cpu_s
    moves_s = cpu_s - stays_s + hop_s
    gateways, left, retrievers = (_pods(traffic, takes_s, owned=owned) for takes_s in (cpu_s, stays_s, moves_s))
    vcpu_month = vcpus_of_gateway(traffic) * book.vcpu_hour(owned=owned) * HOURS_A_MONTH
    added_cost = float((left + retrievers - gateways).mean()) * vcpu_month
    fewer = float((gateways - retrievers).mean())
    return Apart(
        int(gateways.max()),
        int(left.max()),
        int(retrievers.max()),
        (cpu_s - stays_s) * traffic.mean,
        hop_s * traffic.mean,
        added_cost,
        float(
            left.max() * measured.gateway_gb
            + retrievers.max() * measured.retriever_gb
            - gateways.max() * measured.inside_gb
        ),
        measured.first_token_p50_s,
        measured.first_token_p99_s,
        added_cost / (fewer * book.gb_month(owned=owned)) if fewer > 0 else None,
    )


def _pods(traffic: Traffic, cpu_s: float, *, owned: bool) -> Floats:
    """As many as gateways would be that take so much CPU for a request, each as large as a gateway is now."""
    room = traffic.gateway.cpu_s * traffic.gateway.requests_per_second or vcpus_of_gateway(traffic)
    each = Gateway(requests_per_second=room / max(cpu_s, 1e-9))
    found = gateways_by_minute(traffic.model_copy(update={"gateway": each}), _LEAST)
    return np.full_like(found, found.max()) if owned else found
