"""What is kept of one user, on the wire."""

from typing import Annotated

from pydantic import Field

from tandem.http.wire.text import Ours, Out, ShortText
from tandem.pipeline.privacy.personal import Deletion

UserId = Annotated[ShortText, Field(min_length=1, description="The id that callers told as `user`.")]


class DeleteBody(Ours):
    """Whose answers and opinions go."""

    user: UserId


class WireDeletion(Out):
    """What was deleted."""

    tenant: str
    user: str
    deleted: dict[str, int] = Field(
        description="How much, by place: receipts, feedback, and others where they are used."
    )
    elsewhere: list[str] = Field(description="Who got copies that cannot be called back from here.")


def wire_deletion(deletion: Deletion) -> WireDeletion:
    """What was deleted."""
    return WireDeletion(
        tenant=deletion.tenant,
        user=deletion.user,
        deleted=dict(deletion.deleted),
        elsewhere=list(deletion.elsewhere),
    )
