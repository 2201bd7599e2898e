from tandem.adapters.cache.memory import MemoryCache
from tandem.adapters.scripted.clock import ScriptedClock


def test_what_is_kept_is_found_until_its_time_is_over() -> None:
    clock = ScriptedClock()
    cache: MemoryCache[str] = MemoryCache(clock, max_bytes=10_000, ttl_s=60)
    cache.keep(("a", 1), "one", 10)
    assert cache.find(("a", 1)) == "one"
    assert cache.find(("a", 2)) is None
    clock.advance(61)
    assert cache.find(("a", 1)) is None


def test_the_least_recently_used_goes_when_there_is_no_room() -> None:
    cache: MemoryCache[int] = MemoryCache(ScriptedClock(), max_bytes=10_000, ttl_s=60)
    for number in range(4):
        cache.keep(number, number, 1_500)
    assert cache.bytes <= 10_000
    cache.find(0)
    cache.keep(4, 4, 1_500)
    assert [cache.find(number) for number in range(5)] == [0, None, 2, 3, 4]


def test_what_would_fill_the_cache_alone_is_not_kept() -> None:
    cache: MemoryCache[str] = MemoryCache(ScriptedClock(), max_bytes=10_000, ttl_s=60)
    cache.keep("small", "small", 10)
    cache.keep("large", "large", 20_000)
    assert (cache.find("small"), cache.find("large")) == ("small", None)
