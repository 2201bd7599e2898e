"""A shard that an earlier release wrote gets the indexes that this one asks by."""

from pathlib import Path

import pytest
import qdrant_edge as edge

from tandem.adapters.qdrant import shard as shards


def test_missing_indexes_are_made_when_it_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shard"
    with monkeypatch.context() as earlier:
        earlier.setattr(shards, "_indexes", lambda: iter([("tenant", edge.KeywordIndexParams(is_tenant=True))]))
        shards.create_shard(path, 4).close()
    shards.load_shard(path).close()
    found = edge.EdgeShard.load(str(path))
    assert {"tenant", "acl", "author", "paths", "page", "created_at"} <= set(found.info().payload_schema)
    found.close()
