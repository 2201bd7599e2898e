"""The judge of `tandem eval --answers`, by the real embedder, agrees with people as well as it did."""

import json
from pathlib import Path

import pytest

from tandem.adapters.embeddings.minilm import minilm_embedder
from tandem.pipeline.evaluation.support import WordsAndMeaning
from tandem.ports.judge import Claim

PAIRS = Path(__file__).parents[1] / "eval/support/pairs.jsonl"


@pytest.fixture(scope="module")
def pairs() -> list[dict[str, object]]:
    """Those that its weights were not fitted on."""
    found = [json.loads(line) for line in PAIRS.read_text().splitlines()]
    return [pair for pair in found if pair["passage"] % 2 == 0]


async def test_it_agrees_on_statements_that_it_was_not_fitted_on(pairs: list[dict[str, object]]) -> None:
    claims = [Claim(str(pair["statement"]), (str(pair["evidence"]),)) for pair in pairs]
    async with minilm_embedder() as embedder:
        judge = WordsAndMeaning(embedder)
        right = [
            (found >= judge.threshold) == pair["supported"]
            for pair, found in zip(pairs, await judge.support(claims), strict=True)
        ]
    # Measured .759; chance would be .5.
    assert sum(right) / len(right) >= 0.7
    told = {
        kind: [fine for fine, pair in zip(right, pairs, strict=True) if pair["kind"] == kind]
        for kind in ("addition", "number")
    }
    assert all(sum(kind) / len(kind) >= 0.8 for kind in told.values())
    others = [fine for fine, pair in zip(right, pairs, strict=True) if pair["kind"] == "paraphrase"]
    assert sum(others) / len(others) >= 0.75
