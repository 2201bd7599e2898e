"""Where the embedding model is: what does not fit together is refused before anything starts."""

from typing import Any

import pytest

from tandem.app.settings import load_settings
from tandem.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"model": "BAAI/bge-small-en-v1.5"}, r"embedder\.url"),
        ({"url": "http://tei", "protocol": "openai"}, r"embedder\.model is missing"),
        ({"url": "http://tei", "protocol": "grpc"}, r"embedder\.protocol"),
        ({"url": "http://tei", "max_tokens": 3}, r"embedder\.max_tokens"),
    ],
)
def test_what_cannot_work_is_named(chosen: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        load_settings(embedder=chosen)


def test_a_tei_names_its_own_model() -> None:
    assert load_settings(embedder={"url": "http://tei"}).embedder.protocol == "tei"
