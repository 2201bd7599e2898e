"""A build that is killed goes on where it was, and becomes what one clean build makes."""

import asyncio
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import fakes
from fakes import version_builder
from tandem.adapters.qdrant.edge import edge_vectors
from tandem.domain.groups import EVERY_GROUP

_CHILD = Path(fakes.__path__[0]) / "version_builder.py"
_ENVIRONMENT = {"PYTHONPATH": str(_CHILD.parent.parent)}


async def _build(store: Path, kill_after: str = "", times: int = 0) -> list[str]:
    """The lines of a build; killed by SIGKILL after the line `kill_after` came so many times."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_CHILD), str(store), stdout=asyncio.subprocess.PIPE, env=_ENVIRONMENT
    )
    lines: list[str] = []
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            lines.append(line.decode().strip())
            if kill_after and sum(each.startswith(kill_after) for each in lines) == times:
                process.kill()
                break
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    return lines


async def _made(store: Path) -> dict[str, Any]:
    """All that `docs@2` holds, but for when it was made."""
    async with edge_vectors(store) as vectors:
        [one, two] = await vectors.versions("docs")
        assert (one.state, two.state, await vectors.resolve("docs")) == ("serving", "ready", "docs@1")
        found: dict[str, Any] = {
            "lineage": (two.recipe, two.lineage.origins, two.lineage.documents, two.lineage.chunks)
        }
        for tenant in await vectors.tenants("docs@2"):
            page = await vectors.documents("docs@2", tenant, limit=100, groups=(EVERY_GROUP,))
            for record in page.records:
                kept = {**asdict(record), "ingested_at": None}
                found[f"{tenant} {record.id}"] = (kept, await vectors.embedded("docs@2", tenant, record.id))
        return found


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    await version_builder.first(tmp_path / "store")
    return tmp_path / "store"


async def test_killed_at_any_step_it_becomes_the_same(store: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    shutil.copytree(store, clean)
    assert (await _build(clean))[-1] == "ready docs@2 20"
    for kill_after, times in (("Listed", 1), ("Settled", 3), ("carry", 4)):
        lines = await _build(store, kill_after, times)
        assert "ready" not in lines[-1]
        async with edge_vectors(store) as vectors:
            assert [each.state for each in await vectors.versions("docs")] == ["serving", "building"]
    lines = await _build(store)
    assert lines[-1] == "ready docs@2 20"
    # What was taken over before it was killed is not made again.
    assert sum(line == "carry" for line in lines) <= len(version_builder.STORED) - 3
    assert await _made(store) == await _made(clean)
