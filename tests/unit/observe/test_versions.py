"""Versions in the metrics."""

import asyncio

import pytest

from tandem.adapters.scripted.versions import ScriptedVersions
from tandem.domain.context import RequestContext
from tandem.domain.errors import PromotionRefused, VersionConflict
from tandem.domain.lineage import GoldenQuestion, Place
from tandem.observe.metrics import Metrics
from tandem.observe.versions import MeasuredVersions, watch_versions
from tandem.ports.versions import Promotion

ME = RequestContext("r")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_promotions_are_counted_by_how_they_ended() -> None:
    metrics = Metrics("1", "all")
    versions = MeasuredVersions(ScriptedVersions(), metrics)
    golden = (GoldenQuestion("Why?", ("a.md",)),)
    for wish in (Promotion(), Promotion(golden=golden, force="must be"), Promotion(golden=golden)):
        name = (await versions.begin("docs", ME, places=[Place("/x")])).version.name
        await versions.carry(name, ME)
        await versions.finish(name, ME)
        if wish.golden and wish.force is None:
            with pytest.raises(PromotionRefused):
                await versions.promote("docs", wish, ME)
        else:
            await versions.promote("docs", wish, ME)
    await versions.came_from("docs", [Place("/y")], ME)
    await versions.rollback("docs", ME)
    await versions.drop("docs@3", ME)
    late = MeasuredVersions(ScriptedVersions(VersionConflict("late")), metrics)
    with pytest.raises(VersionConflict):
        await late.promote("docs", Promotion(), ME)
    for outcome in ("promoted", "forced", "promotion_refused", "rolled_back", "version_conflict"):
        assert value(metrics, "tandem_collection_promotions_total", outcome=outcome) == 1.0
    assert [each.number for each in await versions.versions("docs", ME)] == [1, 2]


async def test_which_version_serves_and_since_when() -> None:
    metrics, versions, rounds = Metrics("1", "all"), ScriptedVersions(epoch_s=5000.0), 0
    ended = asyncio.Event()

    async def pause(seconds: float) -> None:
        nonlocal rounds
        assert seconds == 60.0
        rounds += 1
        if rounds == 1:
            assert value(metrics, "tandem_collection_version", collection="docs") is None
            name = (await versions.begin("docs", ME)).version.name
            await versions.finish(name, ME)
            await versions.promote("docs", Promotion(), ME)
        else:
            ended.set()
            await asyncio.Event().wait()

    watching = asyncio.create_task(watch_versions(versions, ["docs", "nowhere"], metrics, pause))
    await ended.wait()
    watching.cancel()
    assert value(metrics, "tandem_collection_version", collection="docs") == 1.0
    assert value(metrics, "tandem_collection_promoted_timestamp_seconds", collection="docs") == 5000.0
    assert value(metrics, "tandem_collection_version", collection="nowhere") is None
