"""Webhooks of registries as a part of a process that answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter

from tandem.app.clock import SystemClock
from tandem.app.settings import Settings
from tandem.http.routers.hooks import hooks_router


@asynccontextmanager
async def hooked(settings: Settings) -> AsyncIterator[APIRouter]:
    """Raises `ConfigurationError` where CronJobs are named, and there is no cluster around this process."""
    chosen, clock = settings.follow, SystemClock()
    if chosen.secret is None or not chosen.cronjobs:
        yield hooks_router(None, None, clock)
        return
    from tandem.adapters.kubernetes.follow_jobs import kubernetes_follow_jobs

    async with kubernetes_follow_jobs(chosen.cronjobs) as jobs:
        yield hooks_router(jobs, chosen.secret.get_secret_value(), clock)
