"""What somebody thinks of an answer."""

from dataclasses import dataclass

UP = 1.0
DOWN = -1.0


@dataclass(frozen=True, slots=True)
class Feedback:
    """One opinion of an answer; the last one of the same caller and user counts.

    `rating` is from -1 (useless) to 1 (just right), `given_at` in seconds since 1970. `corrected_answer` and `comment` are
    None also where the tenant's texts are not kept. `caller` is the key's or token's name, `user` whom it speaks for.
    """

    tenant: str
    receipt_id: str
    rating: float
    given_at: float
    caller: str = ""
    user: str | None = None
    labels: tuple[str, ...] = ()
    corrected_answer: str | None = None
    comment: str | None = None

    @property
    def up(self) -> bool:
        """The answer was good."""
        return self.rating > 0

    @property
    def down(self) -> bool:
        """It was not."""
        return self.rating < 0
