"""The way in as parts of a process: who is known, and how much they may do."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from tandem.adapters.quotas.memory import MemoryQuotas
from tandem.admission.identity import Identity
from tandem.admission.keys import Key, KeyRing
from tandem.admission.quotas import Quotas
from tandem.admission.store_watch import StoreWatch
from tandem.app.access import Jwt
from tandem.app.beside import beside
from tandem.app.clock import SystemClock
from tandem.app.settings import Settings
from tandem.app.traffic import tenants
from tandem.domain.errors import ConfigurationError
from tandem.observe.metrics import Metrics
from tandem.ports.quotas import QuotaStore
from tandem.ports.tokens import Tokens


@asynccontextmanager
async def identity(settings: Settings, target: str, metrics: Metrics) -> AsyncIterator[Identity]:
    """The configured callers. Without any, a retriever believes its callers about the tenant: only gateways reach it."""
    auth = settings.auth
    if auth.mode == "none":
        yield Identity(trust_tenant=target == "retriever", open_groups=auth.anonymous_groups)
        return
    ring = KeyRing(
        Key(key.name, key.sha256, key.tenant, peer=key.peer, groups=key.groups, admin=key.admin) for key in auth.keys
    )
    async with AsyncExitStack() as beside_it:
        if auth.keys_file is not None:
            from tandem.adapters.identity.key_file import KeyFile

            file = KeyFile(auth.keys_file, ring, metrics, poll_s=auth.keys_poll_s)
            await file.load()
            await beside_it.enter_async_context(beside([file.watch()]))
        checked = auth.jwt if auth.mode == "jwt" else None
        yield Identity(
            ring,
            None if checked is None else await beside_it.enter_async_context(_tokens(checked, metrics)),
            admin_group=None if checked is None else checked.admin_group,
        )


@asynccontextmanager
async def _tokens(chosen: Jwt, metrics: Metrics) -> AsyncIterator[Tokens]:
    try:
        from tandem.adapters.identity.published_keys import published_keys
        from tandem.adapters.identity.signed_tokens import SignedTokens
    except ModuleNotFoundError as error:
        raise ConfigurationError("auth.mode jwt needs PyJWT.", hint="Install tandem-rag[jwt].") from error

    async with (
        published_keys(
            chosen.jwks_url,
            SystemClock(),
            metrics,
            cache_s=chosen.cache_s,
            max_age_s=chosen.max_age_s,
            refetch_s=chosen.refetch_s,
        ) as keys,
        beside([keys.keep_fresh()]),
    ):
        yield SignedTokens(
            keys,
            audience=chosen.audience,
            issuer=chosen.issuer,
            algorithms=chosen.algorithms,
            tenant_claim=chosen.tenant_claim,
            groups_claim=chosen.groups_claim,
            leeway_s=chosen.leeway_s,
        )


@asynccontextmanager
async def quotas(settings: Settings, metrics: Metrics) -> AsyncIterator[Quotas]:
    """The tenants' quotas: counted in the shared store by its URL, else in this process."""
    clock, chosen = SystemClock(), settings.quotas
    async with _quota_store(settings) as store:
        local = MemoryQuotas(clock) if chosen.on_store_loss == "local" else None
        watch = StoreWatch(store, metrics, local=local, local_share=chosen.local_share)
        counted = Quotas(
            tenants(settings.tenants, settings.default_tenant),
            watch,
            clock,
            meter=metrics,
            new_id=lambda: uuid4().hex,
            lease_s=chosen.lease_s,
        )
        async with beside([watch.watch(), counted.keep()]):
            yield counted


@asynccontextmanager
async def _quota_store(settings: Settings) -> AsyncIterator[QuotaStore]:
    chosen = settings.quotas
    if chosen.store_url is None:
        yield MemoryQuotas(SystemClock())
        return
    try:
        from tandem.adapters.quotas.redis import redis_quotas
    except ModuleNotFoundError as error:
        raise ConfigurationError("quotas.store_url needs redis-py.", hint="Install tandem-rag[redis].") from error

    async with redis_quotas(
        chosen.store_url.get_secret_value(),
        prefix=chosen.prefix,
        connect_timeout_s=chosen.connect_timeout_s,
        timeout_s=chosen.timeout_s,
    ) as store:
        yield store
