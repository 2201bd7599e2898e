"""What a batch may take, before anything is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from tandem.domain.question import Question
from tandem.generation.pools import PoolPolicy
from tandem.pipeline.answering import told_tokens
from tandem.pipeline.dispatching import Asked


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens and cost of prompts and answers, from the least to the most. Of an answer nothing is known but its limit."""

    least_prompt_tokens: int = 0
    most_prompt_tokens: int = 0
    most_answer_tokens: int = 0
    least_cost: float = 0.0
    most_cost: float = 0.0

    def __add__(self, other: "Estimate") -> "Estimate":
        return Estimate(
            self.least_prompt_tokens + other.least_prompt_tokens,
            self.most_prompt_tokens + other.most_prompt_tokens,
            self.most_answer_tokens + other.most_answer_tokens,
            self.least_cost + other.least_cost,
            self.most_cost + other.most_cost,
        )


def estimate(question: Question, asked: Asked, pools: Sequence[PoolPolicy]) -> Estimate:
    """Least: no passage is found, and the cheapest pool says nothing. Most: as many passages as may be, the longest answer, at
    the dearest one.
    """
    least = told_tokens(question)
    return Estimate(
        least,
        asked.prompt_tokens,
        asked.answer_tokens,
        min((pool.cost(least, 0) for pool in pools), default=0.0),
        max((pool.cost(asked.prompt_tokens, asked.answer_tokens) for pool in pools), default=0.0),
    )
