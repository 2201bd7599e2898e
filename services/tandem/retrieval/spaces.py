"""By what a version can be searched here: vectors of two models, or weights of two ways to count words, are never compared."""

from dataclasses import dataclass

from tandem.domain.document import Recipe
from tandem.domain.errors import StoreMismatch
from tandem.domain.lineage import base_of
from tandem.domain.query import QueryPlan
from tandem.ports.embedder import EmbedderCard
from tandem.retrieval.plan import DENSE_MISMATCH, SPARSE_MISMATCH


@dataclass(frozen=True, slots=True)
class Spaces:
    """Whether the version's vectors by meaning, and those by words, are of the kind that questions get here."""

    dense: bool
    sparse: bool

    @property
    def lacking(self) -> tuple[str, ...]:
        """In the words of `degraded`; none where both are."""
        told = ((self.dense, DENSE_MISMATCH), (self.sparse, SPARSE_MISMATCH))
        return tuple(word for there, word in told if not there)

    def limited(self, plan: QueryPlan) -> QueryPlan:
        """The plan without what would be searched for in another space."""
        return plan if self.dense and self.sparse else plan.by(dense=self.dense, sparse=self.sparse)


def shared(version: str, recipe: Recipe, card: EmbedderCard, sparse: str) -> Spaces:
    """What `version`, made so, has in common with this process's embedder and sparse model.

    Raises `StoreMismatch` when that is nothing.
    """
    dense = (recipe.embedder, recipe.dimensions) == (card.name, card.dimensions)
    if not dense and recipe.sparse != sparse:
        raise StoreMismatch(
            f"{version} cannot be searched here: it was made with {recipe.embedder} and {recipe.sparse}, configured are "
            f"{card.name} and {sparse}.",
            hint=f"Build the next version with `tandem collections build {base_of(version)}` and promote it, or set back "
            "what was changed.",
            param="collection",
        )
    return Spaces(dense, recipe.sparse == sparse)
