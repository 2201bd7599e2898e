"""The single predictor may sleep once its model is declared."""

from tandem.app.parts import predictors
from tandem.app.settings import load_settings
from tandem.ports.embedder import Embedder


async def no_embedder() -> Embedder:
    raise AssertionError("a remote predictor needs no embedder")


async def test_what_is_declared_is_known_while_the_peer_is_away() -> None:
    settings = load_settings(predictor={"url": "http://127.0.0.1:9", "declared": {"id": "big", "context_tokens": 8192}})
    async with predictors(settings, no_embedder) as [(pool, servers)]:
        assert pool.model is not None
        assert (pool.name, pool.model.id, pool.model.context_tokens) == ("default", "big", 8192)
        assert len(servers) == 1


async def test_a_peer_is_asked_for_its_model_otherwise() -> None:
    async with predictors(load_settings(predictor={"url": "http://127.0.0.1:9"}), no_embedder) as [(pool, _)]:
        assert pool.model is None
