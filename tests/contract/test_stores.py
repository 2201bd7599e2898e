"""Which stores a process opens, by what is switched on and where the state is."""

from pathlib import Path
from typing import Any

import pytest

from tandem.app.kept import kept
from tandem.app.settings import load_settings

HERE = ["state.db"]


@pytest.mark.parametrize(
    ("chosen", "jobs", "receipts", "made"),
    [
        ({}, "StoredJobs", "StoredReceipts", HERE),
        # Who keeps no answers may still have jobs.
        ({"monitor": {"receipts": {"enabled": False}}}, "StoredJobs", "_Unkept", HERE),
        ({"monitor": {"enabled": False}, "jobs": {"enabled": False}}, "_Unkept", "_Unkept", []),
        # The retriever keeps receipts for its gateways; they share no queue.
        ({"retriever": {"url": "http://127.0.0.1:9"}}, "_Unkept", "RemoteReceipts", []),
    ],
)
async def test_each_configuration_has_its_stores(
    tmp_path: Path, chosen: dict[str, Any], jobs: str, receipts: str, made: list[str]
) -> None:
    settings = load_settings(None, data_dir=tmp_path, **chosen)
    async with kept(settings, lambda _, user: user) as opened:
        stores = opened.stores
        assert (type(stores.jobs).__name__, type(stores.receipts).__name__) == (jobs, receipts)
        assert await stores.jobs.depth() == ()
        assert await stores.deliveries.claim(1, 1) == ()
    assert [file.name for file in tmp_path.glob("*.db")] == made
