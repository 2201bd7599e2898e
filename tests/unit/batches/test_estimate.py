"""What a batch may take is told from the least to the most; defaults are only for what a line leaves open."""

import orjson
import pytest

from tandem.domain.question import Message, Question, RetrievalOptions
from tandem.generation.pools import PoolPolicy
from tandem.pipeline.batches.estimate import Estimate, estimate
from tandem.pipeline.batches.lines import with_defaults
from tandem.pipeline.dispatching import Asked

CHEAP = PoolPolicy("cheap", input_cost=1.0, output_cost=2.0)
DEAR = PoolPolicy("dear", input_cost=10.0, output_cost=20.0)
QUESTION = Question("x" * 60, (Message("user", "y" * 30),), RetrievalOptions("docs"))
ASKED = Asked("docs", 1_530, 200)


def test_from_nothing_found_at_the_cheapest_to_everything_at_the_dearest() -> None:
    found = estimate(QUESTION, ASKED, [DEAR, CHEAP])
    assert found == Estimate(30, 1_530, 200, 30.0, 15_300.0 + 4_000.0)
    assert found + found == Estimate(60, 3_060, 400, 60.0, 38_600.0)


def test_where_no_pool_may_answer_nothing_costs_anything() -> None:
    assert estimate(QUESTION, ASKED, []) == Estimate(30, 1_530, 200, 0.0, 0.0)


@pytest.mark.parametrize(
    ("tandem", "told"),
    [
        (None, {"collection": "notes", "prompt": "p@1"}), ({}, {"collection": "notes", "prompt": "p@1"}),
        ({"collection": "own"}, {"collection": "own", "prompt": "p@1"}),
        ({"collection": None, "top_k": 2}, {"collection": "notes", "prompt": "p@1", "top_k": 2}), ([1], [1]), ("x", "x"),
    ],
)  # fmt: skip
def test_defaults_are_for_what_is_left_open(tandem: object, told: object) -> None:
    body = {"messages": [], "tandem": tandem}
    found = orjson.loads(with_defaults(orjson.dumps(body), {"collection": "notes", "prompt": "p@1"}))
    assert found == {"messages": [], "tandem": told}


def test_without_defaults_a_body_stays_as_it_is() -> None:
    assert with_defaults(b'{"a": 1}', {}) == b'{"a": 1}'
