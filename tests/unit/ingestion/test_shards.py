"""Shards: each document belongs to exactly one, everywhere and always the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.domain.errors import ConfigurationError
from tandem.ingestion.shards import WHOLE, Shard


@given(st.text(), st.integers(1, 50))
def test_every_document_has_one_shard(document_id: str, count: int) -> None:
    assert sum(Shard(index, count).holds(document_id) for index in range(count)) == 1
    assert WHOLE.holds(document_id)


def test_the_shares_are_even() -> None:
    ids = [f"docs/page-{number}.md" for number in range(3000)]
    shares = [sum(map(Shard(index, 3).holds, ids)) for index in range(3)]
    assert max(shares) - min(shares) < 200


def test_the_split_is_the_same_in_every_version() -> None:
    """A Job's pods may be of two versions, and a run be completed by the next one."""
    holders = [next(i for i in range(4) if Shard(i, 4).holds(name)) for name in ("a.md", "docs/b.md", "ü/ö.txt", "d")]
    assert holders == [2, 3, 0, 2]


def test_written_as_it_is_read() -> None:
    assert Shard.parse("1/4") == Shard(1, 4)
    assert str(Shard(1, 4)) == "1/4"


@pytest.mark.parametrize("text", ["", "1", "4/4", "5/4", "0/0", "-1/4", "a/4", "1/", "/4", "1/4/2", "1.0/4", "²/4"])
def test_what_is_no_shard_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Shard.parse(text)
    assert caught.value.hint
