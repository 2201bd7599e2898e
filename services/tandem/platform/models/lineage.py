"""Which model of a release answered, by what its InferenceService remembers."""

from tandem.platform.models.kept import Deployed, Kept, candidate_version
from tandem.platform.models.services import Found


def deployed_models(found: Found, kept: Kept) -> tuple[tuple[str, Deployed], ...]:
    """State and model: the one that serves first, then the candidate, then those before, newest first."""
    serving = kept.numbered(kept.current)
    rows = [] if serving is None else [("serving", serving)]
    if found.candidate is not None:
        rows.append(("candidate", candidate_version(found.candidate)))
    return (*rows, *(("before", each) for each in reversed(kept.entries) if each.number != kept.current))


def of_answer(kept: Kept, revision: str | None, began_at: float) -> Deployed | None:
    """By the revision that the engine told; where it told none, by when the answer began."""
    if revision:
        return next((each for each in reversed(kept.entries) if each.version == revision), None)
    return kept.at(began_at)
