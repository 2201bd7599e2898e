"""Which stores a process opens, by what is switched on and where the state is."""

from pathlib import Path
from typing import Any

import pytest

from tandem.app.kept import kept
from tandem.app.settings import load_settings


def has_file(folder: Path) -> bool:
    return (folder / "state.db").is_file()


@pytest.mark.parametrize(
    ("chosen", "jobs", "receipts", "made"),
    [
        ({}, "StoredJobs", "StoredReceipts", True),
        # Who keeps no answers any more may have kept some, which are to be deleted some day; and there are jobs.
        ({"monitor": {"receipts": {"enabled": False}}}, "StoredJobs", "StoredReceipts", True),
        ({"monitor": {"enabled": False}, "jobs": {"enabled": False}}, "_Unkept", "_Unkept", False),
        # The retriever keeps receipts for its gateways; they share no queue.
        ({"retriever": {"url": "http://127.0.0.1:9"}}, "_Unkept", "RemoteReceipts", False),
    ],
)
async def test_each_configuration_has_its_stores(
    tmp_path: Path, chosen: dict[str, Any], jobs: str, receipts: str, made: bool
) -> None:
    settings = load_settings(None, data_dir=tmp_path, **chosen)
    async with kept(settings, lambda _, user: user) as opened:
        stores = opened.stores
        assert (type(stores.jobs).__name__, type(stores.receipts).__name__) == (jobs, receipts)
        assert await stores.jobs.depth() == ()
        assert await stores.deliveries.claim(1, 1) == ()
        switched_on = chosen.get("monitor", {}).get("receipts", {}).get("enabled", True)
        assert bool(opened.sinks) is (switched_on and receipts != "_Unkept")
    assert has_file(tmp_path) is made
