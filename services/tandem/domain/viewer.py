"""Whose eyes a document is looked at with: the tenant, and the groups that its access list is held against."""

from collections.abc import Collection
from dataclasses import dataclass

from tandem.domain.groups import EVERY_GROUP


@dataclass(frozen=True, slots=True)
class Viewer:
    """A member of `groups` of one tenant. No call that reads the store goes without one.

    Without groups a viewer sees what has no access list; with `EVERY_GROUP` all of its tenant's documents.
    """

    tenant: str
    groups: tuple[str, ...] = ()

    @property
    def sees_all(self) -> bool:
        """True when no access list hides anything of this tenant."""
        return EVERY_GROUP in self.groups

    def sees(self, acl: Collection[str]) -> bool:
        """True for a document of this tenant with that access list; an empty one is open to the whole tenant."""
        return not acl or self.sees_all or not set(acl).isdisjoint(self.groups)


def overseer(tenant: str) -> Viewer:
    """Who sees all of a tenant's documents: for what decides whether somebody else may."""
    return Viewer(tenant, (EVERY_GROUP,))
