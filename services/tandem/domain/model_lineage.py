"""What the models of a predictor were made from, by what their engine tells of itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tandem.domain.model_version import UNTOLD, Ancestry

_REVISION = re.compile(r"hf://[^/@:]+/[^/@:]+[@:](?P<revision>[^/@:]+)(/.+)?")


@dataclass(frozen=True, slots=True)
class Installed:
    """The `model` that a predictor was installed with, as its values name it."""

    model: str = ""
    ancestry: Ancestry = UNTOLD

    @property
    def revision(self) -> str | None:
        """Where its name has one."""
        found = _REVISION.fullmatch(self.model)
        return found["revision"] if found else None


@dataclass(frozen=True, slots=True)
class Deployed:
    """Models that came after `installed`, by their versions; `current` serves, empty: the installed one does. `candidate` runs
    beside it, empty: none does.
    """

    installed: str = ""
    current: str = ""
    ancestries: Mapping[str, Ancestry] = field(default_factory=dict)
    candidate: str = ""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Both. What was deployed over another installed model than this one serves no more."""

    installed: Installed = Installed()
    deployed: Deployed = Deployed()

    def of(self, revision: str | None, *, serves: bool = True) -> Ancestry:
        """Of the version that an engine tells; None: it tells none, so it is the one that serves, or else the candidate."""
        known = self.deployed.ancestries
        if revision is None and not serves:
            return known.get(self.deployed.candidate, UNTOLD)
        if revision is not None:
            found = self.installed.ancestry if revision == self.installed.revision else UNTOLD
            return known.get(revision, UNTOLD).over(found)
        if self.deployed.current and self.deployed.installed == self.installed.model:
            return known.get(self.deployed.current, UNTOLD)
        return self.installed.ancestry.over(UNTOLD)
