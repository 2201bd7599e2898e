"""What a shape costs in a month: GPUs, CPUs, the store's memory, and answers of others."""

from dataclasses import dataclass

from tandem.platform.plan.prices import HOURS_A_MONTH, Book
from tandem.platform.plan.traffic import Traffic

# Chunks of one document, and what the store keeps of one: 384 dimensions, its graph, and the text.
_CHUNKS = 10
_CHUNK_BYTES = 5000
_LEAST_STORE_GB = 1.0
_LEAST_VCPUS = 0.5
MONTH_S = HOURS_A_MONTH * 3600


@dataclass(frozen=True, slots=True)
class Cost:
    """In the book's currency, a month. `idle` is the part of `gpu` that nothing was done for."""

    gpu: float = 0.0
    cpu: float = 0.0
    store: float = 0.0
    api: float = 0.0
    idle: float = 0.0

    @property
    def total(self) -> float:
        """All of it; what idles is in `gpu` already."""
        return self.gpu + self.cpu + self.store + self.api


def cost_of(
    book: Book,
    traffic: Traffic,
    used: float,
    *,
    gpus: float = 0.0,
    owned_gpus: float = 0.0,
    gateways: float = 0.0,
    api: float = 0.0,
    owned: bool = False,
) -> Cost:
    """`gpus`, `gateways` are means over the day, `api` what one request pays a provider on average; `used` of the GPUs' time."""
    gpu = fleet_cost(book, traffic, gpus, owned=False) + fleet_cost(book, traffic, owned_gpus, owned=True)
    return Cost(
        gpu=gpu,
        cpu=gateways * vcpus_of_gateway(traffic) * book.vcpu_hour(owned=owned) * HOURS_A_MONTH,
        store=store_gb(traffic) * book.gb_month(owned=owned),
        api=api * traffic.mean * MONTH_S,
        idle=gpu * (1 - used),
    )


def fleet_cost(book: Book, traffic: Traffic, gpus: float, *, owned: bool) -> float:
    """So many GPUs for a month."""
    hour = book.owned_gpu_hour(traffic.gpu) if owned else book.rented_gpu_hour(traffic.gpu)
    return gpus * hour * HOURS_A_MONTH


def vcpus_of_gateway(traffic: Traffic) -> float:
    """What one gateway's requests take, and no less than the chart asks for."""
    return max(_LEAST_VCPUS, traffic.gateway.cpu_s * traffic.gateway.requests_per_second)


def store_gb(traffic: Traffic) -> float:
    """Memory of the vector store."""
    return max(_LEAST_STORE_GB, traffic.documents * _CHUNKS * _CHUNK_BYTES / 1e9)
