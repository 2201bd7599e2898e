"""One suite over every quota store: in process, and a real Redis or Valkey."""

import asyncio
import contextlib
import os
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fakes.redis_server import redis_server
from tandem.adapters.quotas.memory import MemoryQuotas
from tandem.adapters.quotas.redis import redis_quotas
from tandem.adapters.scripted.clock import ScriptedClock
from tandem.app.clock import SystemClock
from tandem.domain.errors import ConfigurationError, UpstreamUnavailable
from tandem.domain.quota import Level
from tandem.ports.quotas import Entry, Lease, Limits, QuotaStore, Reserved

# 600 a minute is 10 a second: a test sees it refill without waiting long.
FAST = 600


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[QuotaStore]:
    if request.param == "memory":
        yield MemoryQuotas(SystemClock())
        return
    url = request.getfixturevalue("redis_url")
    async with redis_quotas(url, prefix=f"test-{uuid.uuid4().hex}", connect_timeout_s=2, timeout_s=2) as shared:
        yield shared


def lease(id_: str = "one", tenant: str = "acme") -> Lease:
    return Lease(tenant, id_)


async def test_a_whole_window_may_be_used_at_once_and_no_more(store: QuotaStore) -> None:
    limits = Limits(requests_per_minute=5)
    entries = [await store.enter(lease(str(n)), limits, 10) for n in range(7)]
    assert [entry.refused for entry in entries] == [None] * 5 + ["requests"] * 2
    levels = [entry.requests for entry in entries]
    assert [level.remaining for level in levels if level] == [4, 3, 2, 1, 0, 0, 0]
    assert all(level.limit == 5 for level in levels if level)
    assert entries[-1].wait_s == pytest.approx(12, abs=1)
    last = levels[-1]
    assert last is not None and last.reset_s == pytest.approx(60, abs=1)


async def test_it_refills_steadily_and_passes_after_the_wait_it_told(store: QuotaStore) -> None:
    limits = Limits(requests_per_minute=FAST)
    for n in range(FAST):
        await store.enter(lease(str(n)), limits, 10)
    entries = [await store.enter(lease(f"more-{n}"), limits, 10) for n in range(40)]
    refused = [entry for entry in entries if entry.refused]
    assert refused
    assert 0 < refused[-1].wait_s <= 0.1
    await asyncio.sleep(refused[-1].wait_s + 0.01)
    assert (await store.enter(lease("again"), limits, 10)).refused is None


async def test_at_the_same_moment_no_more_pass_than_the_limit(store: QuotaStore) -> None:
    limits = Limits(requests_per_minute=20, concurrency=15)
    entries = await asyncio.gather(*(store.enter(lease(str(n)), limits, 10) for n in range(60)))
    assert sum(entry.refused is None for entry in entries) == 15
    assert {entry.refused for entry in entries} == {None, "concurrency"}


async def test_a_refusal_takes_nothing(store: QuotaStore) -> None:
    limits = Limits(requests_per_minute=5, concurrency=1)
    await store.enter(lease("first"), limits, 10)
    for n in range(4):
        entry = await store.enter(lease(f"refused-{n}"), limits, 10)
        assert entry.refused == "concurrency"
        assert entry.requests is not None and entry.requests.remaining == 4
    await store.leave(lease("first"))
    await store.leave(lease("refused-0"))
    assert (await store.enter(lease("second"), limits, 10)).refused is None
    assert (await store.enter(lease("third"), limits, 10)).refused == "concurrency"


async def test_a_slot_whose_holder_died_comes_back(store: QuotaStore) -> None:
    limits = Limits(concurrency=1)
    await store.enter(lease("dead"), limits, 0.2)
    assert (await store.enter(lease("early"), limits, 0.2)).refused == "concurrency"
    await asyncio.sleep(0.25)
    assert (await store.enter(lease("late"), limits, 0.2)).refused is None


async def test_a_renewed_slot_stays_taken(store: QuotaStore) -> None:
    limits = Limits(concurrency=1)
    await store.enter(lease("long"), limits, 0.3)
    await store.renew([lease("long"), lease("gone"), lease("other", "umbrella")], 5)
    await asyncio.sleep(0.35)
    assert (await store.enter(lease("next"), limits, 1)).refused == "concurrency"
    await store.leave(lease("long"))
    # A renewal on its way while its request ended must not bring the slot back.
    await store.renew([lease("long")], 5)
    assert (await store.enter(lease("next"), limits, 1)).refused is None


async def test_tokens_are_reserved_and_given_back(store: QuotaStore) -> None:
    first = await store.reserve("acme", 1000, 700)
    assert first.granted and 300 <= first.level.remaining <= 310
    second = await store.reserve("acme", 1000, 700)
    assert not second.granted
    assert second.wait_s == pytest.approx(24, abs=1)
    assert (await store.settle("acme", 1000, 600)).remaining == pytest.approx(900, abs=15)
    assert (await store.reserve("acme", 1000, 700)).granted


async def test_a_refund_never_makes_more_than_a_window(store: QuotaStore) -> None:
    await store.reserve("acme", 1000, 10)
    assert (await store.settle("acme", 1000, 5000)).remaining == 1000
    assert not (await store.reserve("acme", 1000, 1001)).granted
    assert (await store.reserve("acme", 1000, 1000)).granted


async def test_what_was_used_beyond_the_reservation_is_taken_down_to_nothing(store: QuotaStore) -> None:
    await store.reserve("acme", 1000, 900)
    level = await store.settle("acme", 1000, -5000)
    assert 0 <= level.remaining <= 10
    assert level.reset_s <= 60


async def test_an_entry_tells_the_tokens_too(store: QuotaStore) -> None:
    limits = Limits(requests_per_minute=5, tokens_per_minute=1000)
    await store.reserve("acme", 1000, 400)
    tokens = (await store.enter(lease(), limits, 10)).tokens
    assert tokens is not None
    assert tokens.limit == 1000 and 600 <= tokens.remaining <= 620


async def test_tenants_do_not_share(store: QuotaStore) -> None:
    limits = Limits(requests_per_minute=1, concurrency=1)
    assert (await store.enter(lease("a", "acme"), limits, 10)).refused is None
    assert (await store.enter(lease("a", "umbrella"), limits, 10)).refused is None
    await store.reserve("acme", 10, 10)
    assert (await store.reserve("umbrella", 10, 10)).granted


async def test_without_a_limit_there_is_no_level(store: QuotaStore) -> None:
    entry = await store.enter(lease(), Limits(concurrency=3), 10)
    assert entry.requests is entry.tokens is None


async def test_a_changed_limit_counts_at_once(store: QuotaStore) -> None:
    await store.reserve("acme", 1000, 500)
    assert not (await store.reserve("acme", 400, 100)).granted
    assert (await store.reserve("acme", 2000, 1000)).granted


async def test_a_large_limit_is_counted_exactly(store: QuotaStore) -> None:
    limit = 2_000_000_000
    taken = await store.reserve("acme", limit, 12_345)
    assert taken.level.remaining >= limit - 12_345
    assert (await store.settle("acme", limit, 12_345)).remaining == limit
    await store.ping()


async def test_memory_forgets_what_is_full_again() -> None:
    clock = ScriptedClock()
    store = MemoryQuotas(clock)
    limits = Limits(requests_per_minute=5, concurrency=2)
    for n in range(500):
        await store.enter(Lease(f"tenant-{n}", "one"), limits, 10)
        await store.reserve(f"tenant-{n}", 100, 100)
    clock.advance(61)
    await store.enter(lease(), limits, 10)
    assert len(store._requests) == len(store._running) == 1
    assert len(store._tokens) == 0


async def test_a_server_s_clock_that_goes_back_holds_nothing_up(redis_url: str) -> None:
    prefix = f"test-{uuid.uuid4().hex}"
    async with redis_quotas(redis_url, prefix=prefix, connect_timeout_s=2, timeout_s=2) as store:
        await store.reserve("acme", FAST, FAST)
        key = f"{prefix}:{{acme}}:tokens"
        await store._client.hset(key, "at", str(int(time.time() + 3600) * 1_000_000))
        assert not (await store.reserve("acme", FAST, 1)).granted
        await asyncio.sleep(0.15)
        assert (await store.reserve("acme", FAST, 1)).granted


async def test_every_key_of_the_shared_store_expires(redis_url: str) -> None:
    prefix = f"test-{uuid.uuid4().hex}"
    async with redis_quotas(redis_url, prefix=prefix, connect_timeout_s=2, timeout_s=2) as store:
        await store.enter(lease(), Limits(requests_per_minute=5, concurrency=2), 3)
        await store.reserve("acme", 100, 50)
        await store.renew([lease()], 3)
        keys = [key async for key in store._client.scan_iter(match=f"{prefix}:*")]
        assert sorted(keys) == [f"{prefix}:{{acme}}:{kind}" for kind in ("requests", "running", "tokens")]
        lives = [await store._client.pttl(key) for key in sorted(keys)]
        assert 0 < lives[0] <= 13_100
        assert 0 < lives[1] <= 4_100
        assert 0 < lives[2] <= 31_100


async def test_two_clients_of_the_shared_store_count_together(redis_url: str) -> None:
    prefix = f"test-{uuid.uuid4().hex}"
    async with (
        redis_quotas(redis_url, prefix=prefix, connect_timeout_s=2, timeout_s=2) as one,
        redis_quotas(redis_url, prefix=prefix, connect_timeout_s=2, timeout_s=2) as other,
    ):
        limits = Limits(requests_per_minute=10)
        passed = [
            (await store.enter(lease(f"{id(store)}-{n}"), limits, 10)).refused is None
            for n in range(10)
            for store in (one, other)
        ]
        assert sum(passed) == 10


async def test_a_store_that_goes_away_is_a_typed_error_and_comes_back(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with redis_quotas(server.url) as store:
            with contextlib.suppress(UpstreamUnavailable):  # a busy machine may take longer than 100 ms once
                await store.ping()
            await store.enter(lease(), Limits(concurrency=1), 10)
            server.kill()
            for call in (
                store.enter(lease(), Limits(concurrency=1), 10),
                store.leave(lease()),
                store.renew([lease()], 10),
                store.reserve("acme", 10, 1),
                store.settle("acme", 10, 1),
                store.ping(),
            ):
                with pytest.raises(UpstreamUnavailable):
                    await call
            server.start()
            assert (await store.enter(lease(), Limits(concurrency=1), 10)).refused is None


async def test_a_store_that_accepts_and_never_answers_is_given_up_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, redis_quotas(f"redis://127.0.0.1:{port}/0") as store:
        began = asyncio.get_running_loop().time()
        with pytest.raises(UpstreamUnavailable):
            await store.ping()
        assert asyncio.get_running_loop().time() - began < 2


@pytest.mark.parametrize("url", ["http://127.0.0.1", "127.0.0.1:6379", "redis://127.0.0.1:port"])
async def test_a_url_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ConfigurationError, match="store_url"):
        async with redis_quotas(url):
            pass


async def test_a_call_that_is_cancelled_confuses_no_other(redis_url: str) -> None:
    async with redis_quotas(redis_url, prefix=f"test-{uuid.uuid4().hex}", connect_timeout_s=2, timeout_s=2) as store:
        for turn in range(30):
            # Each kind has a reply of its own shape: one that was meant for a cancelled call could not be read.
            calls: list[asyncio.Task[object]] = [
                asyncio.create_task(call)
                for n in range(6)
                for call in (
                    store.enter(lease(str(n)), Limits(concurrency=100), 10),
                    store.leave(lease(str(n))),
                    store.reserve("acme", FAST, 1),
                    store.settle("acme", FAST, 1),
                    store.ping(),
                )
            ]
            for _ in range(turn):
                await asyncio.sleep(0)
            for call in calls[:: 2 + turn % 2]:
                call.cancel()
            replies = await asyncio.gather(*calls, return_exceptions=True)
            kinds = [Entry, type(None), Reserved, Level, type(None)] * 6
            for kind, reply in zip(kinds, replies, strict=True):
                assert isinstance(reply, kind | asyncio.CancelledError)
