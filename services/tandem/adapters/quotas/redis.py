"""What tenants have used, counted in a Redis or Valkey that all replicas share."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from tandem.adapters.quotas.scripts import ENTER, RENEW, RESERVE, SETTLE
from tandem.admission.bucket import Bucket
from tandem.domain.errors import ConfigurationError, UpstreamUnavailable
from tandem.domain.quota import Level
from tandem.ports.quotas import Entry, Lease, Limits, Reserved

# Enough for any number of requests at a time: a call is over in less than a millisecond.
_CONNECTIONS = 32


class RedisQuotas:
    """`ports/quotas.py` over one server. A tenant's keys carry its name in braces, so that they lie on one node."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._enter = client.register_script(ENTER)
        self._renew = client.register_script(RENEW)
        self._reserve = client.register_script(RESERVE)
        self._settle = client.register_script(SETTLE)

    async def enter(self, lease: Lease, limits: Limits, lease_s: float) -> Entry:
        """See the port."""
        requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
        keys = [self._key(lease.tenant, kind) for kind in ("requests", "tokens", "running")]
        args: list[str | int] = [requests or 0, tokens or 0, limits.concurrency or 0, lease.id, round(lease_s * 1000)]
        with _translated():
            refused, wait_s, used, used_tokens = _texts(await self._enter(keys, args))
        return Entry(
            cast(Any, refused) or None,
            float(wait_s),
            None if requests is None else Bucket(requests, float(used)).level(),
            None if tokens is None else Bucket(tokens, float(used_tokens)).level(),
        )

    async def leave(self, lease: Lease) -> None:
        """See the port."""
        with _translated():
            await self._client.zrem(self._key(lease.tenant, "running"), lease.id)

    async def renew(self, leases: Sequence[Lease], lease_s: float) -> None:
        """See the port."""
        ids: dict[str, list[str]] = defaultdict(list)
        for lease in leases:
            ids[lease.tenant].append(lease.id)
        with _translated():
            async with self._client.pipeline(transaction=False) as pipe:
                for tenant, running in ids.items():
                    await self._renew([self._key(tenant, "running")], [round(lease_s * 1000), *running], client=pipe)
                await pipe.execute()

    async def reserve(self, tenant: str, per_minute: int, tokens: int) -> Reserved:
        """See the port."""
        with _translated():
            wait_s, used = _texts(await self._reserve([self._key(tenant, "tokens")], [per_minute, tokens]))
        return Reserved(granted=wait_s == "0", wait_s=float(wait_s), level=Bucket(per_minute, float(used)).level())

    async def settle(self, tenant: str, per_minute: int, back: int) -> Level:
        """See the port."""
        with _translated():
            used = await self._settle([self._key(tenant, "tokens")], [per_minute, back])
        return Bucket(per_minute, float(used)).level()

    async def ping(self) -> None:
        """See the port."""
        with _translated():
            await self._client.ping()

    def _key(self, tenant: str, kind: str) -> str:
        return f"{self._prefix}:{{{tenant}}}:{kind}"


@asynccontextmanager
async def redis_quotas(
    url: str, *, prefix: str = "tandem", connect_timeout_s: float = 0.1, timeout_s: float = 0.1
) -> AsyncIterator[RedisQuotas]:
    """Counts at `url` (redis:// or rediss://). Nothing is connected before the first call.

    Raises `ConfigurationError` for a URL that is none.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=timeout_s,
            socket_connect_timeout=connect_timeout_s,
            socket_timeout=timeout_s,
            socket_keepalive=True,
            # One try more where the server closed an idle connection, none where it was slow.
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,)),
            decode_responses=True,
        )
    except ValueError as error:
        raise ConfigurationError(
            f"quotas.store_url is no URL of a Redis: {error}.", hint="redis://host:6379"
        ) from error
    client = Redis.from_pool(pool)
    try:
        yield RedisQuotas(client, prefix)
    finally:
        await client.aclose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise UpstreamUnavailable("The quota store cannot be reached.") from error


def _texts(reply: object) -> list[str]:
    return cast(list[str], reply)
