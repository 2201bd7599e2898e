"""Having a model of the registry followed at once, by whoever runs such work."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Begun:
    """`job` looks at the registry; unless it is `new`, it did so before it was asked for, and does once more at its end."""

    job: str
    new: bool


class FollowJobs(Protocol):
    """`tandem models follow`, out of this process."""

    async def begin(self, model: str, delivery: str) -> Begun:
        """One run at a time for a model, and one for a `delivery` however often it comes.

        Raises `UnknownModel` for one that is not followed, `NotServed` where nothing can be begun, `UpstreamUnavailable` when
        it may go later.
        """
        ...
