"""How well a text supports a statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of an answer, and the texts that it is held against."""

    statement: str
    evidence: tuple[str, ...]


class Judge(Protocol):
    """By rules, by an NLI model, by a language model: whoever it is says how sure it is."""

    @property
    def name(self) -> str:
        """What judges, with its version: figures of different judges cannot be compared."""
        ...

    @property
    def threshold(self) -> float:
        """The support from which on a statement counts as supported."""
        ...

    async def support(self, claims: Sequence[Claim]) -> list[float]:
        """For each claim 0…1, how well the best of its evidence supports it; 0 without evidence.

        Raises `UpstreamUnavailable` and `UpstreamFailed` where a peer judges.
        """
        ...
