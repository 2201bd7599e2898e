"""What a retriever of its own takes and spares, and from when on it pays."""

from typing import Any

import pytest

from tandem.platform.plan.apart import Apart, apart
from tandem.platform.plan.prices import HOURS_A_MONTH, Book, load_book
from tandem.platform.plan.traffic import Traffic, load_traffic

BOOK = load_book()


def measured(**figures: float) -> Book:
    """Round ones: 20 ms inside; apart 8 ms stay, 16 ms move, 4 ms of them for the hop."""
    usual = {
        "inside_cpu_s": 0.02, "gateway_cpu_s": 0.008, "retriever_cpu_s": 0.016, "first_token_p50_s": 0.005,
        "first_token_p99_s": 0.02, "inside_gb": 0.4, "gateway_gb": 0.1, "retriever_gb": 0.4,
    }  # fmt: skip
    return BOOK.model_copy(update={"retrieval": BOOK.retrieval.model_copy(update=usual | figures)})


def traffic(rate: float, **gateway: Any) -> Traffic:
    given = {"requests_per_second": rate, "gateway": {"cpu_s": 0.02, "requests_per_second": 25, **gateway}}
    return load_traffic(None, given, day="flat")


def found(rate: float, *, owned: bool = False, book: Book | None = None, **gateway: Any) -> Apart:
    return apart(book or measured(), traffic(rate, **gateway), owned=owned)


def test_pods_follow_the_cpu_that_each_side_takes() -> None:
    one = found(1000)
    # 0.5 vCPU a pod: 1000/s take 20 vCPUs inside; apart 8 stay, and 16 move.
    assert (one.gateways_inside, one.gateways, one.retrievers) == (40, 16, 32)
    assert one.spared_vcpus == pytest.approx(12) and one.added_vcpus == pytest.approx(4)
    assert one.added_cost == pytest.approx(8 * 0.5 * BOOK.vcpu_hour(owned=False) * HOURS_A_MONTH)
    assert one.added_gb == pytest.approx(16 * 0.1 + 32 * 0.4 - 40 * 0.4)


def test_it_pays_where_fewer_copies_of_large_models_spare_more_than_the_hop_costs() -> None:
    one = found(1000)
    assert one.pays_from_gb is not None
    assert one.pays_from_gb * 8 * BOOK.gb_month(owned=False) == pytest.approx(one.added_cost)
    assert f"It pays where retrieval's models take {one.pays_from_gb:.2g} GB" in one.told("USD")


def test_it_never_pays_where_there_are_as_many_retrievers_as_gateways() -> None:
    small = found(10)
    assert (small.gateways_inside, small.gateways, small.retrievers) == (2, 2, 2)
    assert small.pays_from_gb is None and small.added_cost > 0
    assert "16 retrievers" not in small.told("USD") and "does not pay" in small.told("USD")
    assert found(1000, book=measured(retriever_cpu_s=0.03)).pays_from_gb is None


def test_dearer_retrieval_makes_the_hop_a_smaller_part() -> None:
    dear = found(1000, cpu_s=0.2, requests_per_second=2.5)
    # The hop's 4 ms stay 4 ms: 200 inside; 80 stay and 124 move.
    assert (dear.gateways_inside, dear.gateways, dear.retrievers) == (400, 160, 248)
    assert dear.added_vcpus == pytest.approx(4)


def test_own_pods_are_there_all_day() -> None:
    day = load_traffic(None, {"requests_per_second": 1000.0, "gateway": {"cpu_s": 0.02, "requests_per_second": 25}}, day="business")  # fmt: skip
    rented, owned = (apart(measured(), day, owned=whose) for whose in (False, True))
    assert owned.retrievers == rented.retrievers == 32
    assert owned.added_cost == pytest.approx(8 * 0.5 * BOOK.vcpu_hour(owned=True) * HOURS_A_MONTH)
    assert rented.added_cost < 8 * 0.5 * BOOK.vcpu_hour(owned=False) * HOURS_A_MONTH


def test_retrieval_that_takes_no_cpu_is_reckoned_with_too() -> None:
    one = found(100, cpu_s=0.0)
    assert one.added_cost >= 0 and one.told("USD")
