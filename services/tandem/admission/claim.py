"""What a request puts forward when it asks for a slot: whose it is, and how much that counts."""

from dataclasses import dataclass

from tandem.domain.tenants import Priority


@dataclass(frozen=True, slots=True)
class Claim:
    """`weight` is the tenant's share among those of its band, relative to theirs; above 0.

    `background`: it takes only a slot that nobody else wants, and gives it back when somebody does.
    """

    tenant: str
    weight: float = 1.0
    priority: Priority = Priority.normal
    background: bool = False
