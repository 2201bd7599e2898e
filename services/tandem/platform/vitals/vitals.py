"""What an operator wants to see of a fleet at a glance, worked out of two looks at its metrics."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tandem.platform.vitals.scrape import Scrape, quantile, together
from tandem.platform.vitals.sources import Seen

_CHAT = "/v1/chat/completions"
# Gauges of one process each that say the same everywhere, so that they must not be summed.
_REFUSED = ("429", "503")


@dataclass(frozen=True, slots=True)
class Process:
    """One process; `rate` is its requests a second."""

    name: str
    target: str
    version: str
    state: str
    rate: float
    in_flight: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Requests:
    """Rates a second over the looks' distance; seconds for times, None where nothing came."""

    rate: float
    failed: float
    refused: float
    client_closed: float
    in_flight: int
    p50_s: float | None
    p99_s: float | None
    first_token_p50_s: float | None
    first_token_p99_s: float | None
    tokens: float


@dataclass(frozen=True, slots=True)
class PoolVitals:
    """One predictor pool over all processes; `endpoints` by the state of their breaker."""

    pool: str
    limit: int
    running: int
    waiting: int
    held: int
    demand: int
    rate: float
    refused: float
    wait_p99_s: float | None
    endpoints: Mapping[str, int]
    tokens_today: int
    cost_today: float


@dataclass(frozen=True, slots=True)
class Released:
    """The release that serves, and the one that is `tried`: with which share, and `how` (canary, shadow, promoting).

    `idle` are processes that know of it and cannot use it: their configuration lacks its pool or its prompt.
    """

    serving: str
    tried: str | None = None
    how: str = ""
    weight: float = 0.0
    idle: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vitals:
    """The whole. Mappings are rates a second by name, if not said otherwise.

    `quality` has the mean of each measure, of the answers between the looks or else of all; `versions` the number of the
    version that serves; `release` is None where there are none; `spool` what is on the disk, `sinks` how far behind each is,
    in records.
    """

    place: str
    interval_s: float
    processes: tuple[Process, ...]
    requests: Requests
    answers: Mapping[str, float]
    pools: tuple[PoolVitals, ...]
    tenants: Mapping[str, Mapping[str, float]]
    retrieval: Mapping[str, float | None]
    degraded: Mapping[str, float]
    documents: Mapping[str, float]
    versions: Mapping[str, int]
    quality: Mapping[str, float]
    drift: float | None
    release: Released | None = None
    spool: Mapping[str, float] = field(default_factory=dict)
    sinks: Mapping[str, float] = field(default_factory=dict)
    dropped: Mapping[str, float] = field(default_factory=dict)


def vitals(place: str, before: Sequence[Seen], now: Sequence[Seen]) -> Vitals:
    """Of two looks. A process that is new counts from its second look on."""
    earlier = {seen.name: seen.scrape for seen in before if seen.scrape is not None}
    grown = {
        seen.name: seen.scrape.since(earlier[seen.name])
        for seen in now
        if seen.scrape is not None and seen.name in earlier
    }
    gone, here = together(list(grown.values())), together([seen.scrape for seen in now if seen.scrape is not None])
    interval_s = max(gone.at_s, 1e-9)
    return Vitals(
        place=place,
        interval_s=round(gone.at_s, 3),
        processes=tuple(_process(seen, grown.get(seen.name)) for seen in now),
        requests=_requests(gone, here, interval_s),
        answers=_rates(gone.by("tandem_answers_total", "outcome"), interval_s),
        pools=tuple(_pool(pool, gone, here, interval_s) for pool in sorted(here.by("tandem_pool_limit", "pool"))),
        tenants=_tenants(gone, interval_s),
        retrieval={
            "rate": gone.sum("tandem_retrieval_seconds_count") / interval_s,
            "failed": gone.sum("tandem_retrieval_failures_total") / interval_s,
            "p50_s": quantile(0.5, gone, "tandem_retrieval_seconds"),
            "p99_s": quantile(0.99, gone, "tandem_retrieval_seconds"),
        },
        degraded=_rates(gone.by("tandem_degraded_total", "what"), interval_s),
        documents=_rates(gone.by("tandem_documents_total", "status"), interval_s),
        versions=_versions(now),
        quality=_quality(gone, here),
        drift=_drift(now),
        release=_released(now),
        spool=_spool(here),
        sinks=here.by("tandem_monitor_lag_records", "sink"),
        dropped=_rates(gone.by("tandem_monitor_dropped_total", "reason"), interval_s),
    )


def _process(seen: Seen, grown: Scrape | None) -> Process:
    if seen.scrape is None:
        return Process(seen.name, "", "", seen.state, 0.0, 0, seen.fault)
    about = next((dict(labels) for labels in seen.scrape.values.get("tandem_build_info", {})), {})
    rate = 0.0 if grown is None else grown.sum("tandem_requests_total") / max(grown.at_s, 1e-9)
    in_flight = int(seen.scrape.sum("tandem_requests_in_flight"))
    return Process(seen.name, about.get("target", ""), about.get("version", ""), seen.state, rate, in_flight)


def _requests(gone: Scrape, here: Scrape, interval_s: float) -> Requests:
    by_status = gone.by("tandem_responses_total", "status")
    refused = sum(by_status.get(status, 0.0) for status in _REFUSED)
    failed = sum(count for status, count in by_status.items() if status.startswith("5"))
    return Requests(
        rate=gone.sum("tandem_requests_total") / interval_s,
        failed=(failed - by_status.get("503", 0.0)) / interval_s,
        refused=refused / interval_s,
        client_closed=gone.sum("tandem_client_closed_total") / interval_s,
        in_flight=int(here.sum("tandem_requests_in_flight")),
        p50_s=quantile(0.5, gone, "tandem_request_seconds", route=_CHAT),
        p99_s=quantile(0.99, gone, "tandem_request_seconds", route=_CHAT),
        first_token_p50_s=quantile(0.5, gone, "tandem_time_to_first_token_seconds"),
        first_token_p99_s=quantile(0.99, gone, "tandem_time_to_first_token_seconds"),
        tokens=gone.sum("tandem_generation_tokens_total", kind="completion") / interval_s,
    )


def _pool(pool: str, gone: Scrape, here: Scrape, interval_s: float) -> PoolVitals:
    def count(name: str) -> int:
        return int(here.sum(name, pool=pool))

    endpoints = here.by("tandem_pool_endpoints", "breaker", pool=pool)
    return PoolVitals(
        pool=pool,
        limit=count("tandem_pool_limit"),
        running=count("tandem_pool_running"),
        waiting=count("tandem_pool_waiting"),
        held=count("tandem_pool_held"),
        demand=count("tandem_generation_demand"),
        rate=gone.sum("tandem_pool_requests_total", pool=pool) / interval_s,
        refused=gone.sum("tandem_pool_refusals_total", pool=pool) / interval_s,
        wait_p99_s=quantile(0.99, gone, "tandem_pool_wait_seconds", pool=pool),
        endpoints={state: int(number) for state, number in endpoints.items() if number},
        tokens_today=count("tandem_pool_tokens_today"),
        cost_today=here.sum("tandem_pool_cost_today", pool=pool),
    )


def _tenants(gone: Scrape, interval_s: float) -> dict[str, dict[str, float]]:
    """What is counted by tenant, a second."""
    names = {"requests": "tandem_tenant_requests_total", "tokens": "tandem_tenant_tokens_total"}
    found: dict[str, dict[str, float]] = {}
    for what, name in names.items():
        for tenant, count in gone.by(name, "tenant").items():
            found.setdefault(tenant, dict.fromkeys(names, 0.0))[what] = count / interval_s
    return found


def _rates(grown: Mapping[str, float], interval_s: float) -> dict[str, float]:
    return {name: count / interval_s for name, count in grown.items() if count}


def _versions(now: Sequence[Seen]) -> dict[str, int]:
    """Every process tells the same, so the newest counts."""
    found: dict[str, int] = {}
    for seen in now:
        if seen.scrape is not None:
            for collection, number in seen.scrape.by("tandem_collection_version", "collection").items():
                found[collection] = max(int(number), found.get(collection, 0))
    return found


def _released(now: Sequence[Seen]) -> Released | None:
    """Every gateway follows one book, a second behind at most: what most of them tell counts."""
    following = {
        seen.name: seen.scrape for seen in now if seen.scrape is not None and seen.scrape.has("tandem_release_info")
    }
    votes: Counter[tuple[str, str]] = Counter()
    for scrape in following.values():
        votes.update(
            (dict(labels)["release"], dict(labels)["state"]) for labels in scrape.values["tandem_release_info"]
        )
    serving = [name for (name, state), _ in votes.most_common() if state == "serving"]
    if not serving:
        return None
    tried = [
        (name, state)
        for (name, state), count in votes.most_common()
        if state != "serving" and count * 2 > len(following)
    ]
    if not tried:
        return Released(serving[0])
    name, how = tried[0]
    weights = {process: scrape.sum("tandem_release_weight") for process, scrape in following.items()}
    told = {process for process, scrape in following.items() if scrape.sum("tandem_release_info", release=name)}
    idle = tuple(sorted(process for process in told if not weights[process]))
    return Released(serving[0], name, how, max(weights.values()), idle)


def _quality(gone: Scrape, here: Scrape) -> dict[str, float]:
    told = gone if gone.sum("tandem_answer_quality_count") else here
    counts, sums = (told.by(f"tandem_answer_quality_{part}", "measure") for part in ("count", "sum"))
    return {measure: sums[measure] / count for measure, count in counts.items() if count}


def _drift(now: Sequence[Seen]) -> float | None:
    told = [seen.scrape.sum("tandem_question_drift") for seen in now if seen.scrape is not None]
    return max((each for each in told if not math.isnan(each)), default=None)


def _spool(here: Scrape) -> dict[str, float]:
    names = {
        "bytes": "tandem_monitor_spool_bytes",
        "records": "tandem_monitor_spool_records",
        "queued": "tandem_monitor_queue_records",
    }
    return {what: here.sum(name) for what, name in names.items() if here.has(name)}
