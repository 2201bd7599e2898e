"""Which conversations a release is tried with: the same ones in every process and at every turn."""

import hashlib
from collections.abc import Sequence

from tandem.domain.question import Message, Question


def unit(question: Question, tenant: str, caller: str | None) -> str:
    """What belongs together: the conversation by its id, else what the same person's conversation began with."""
    if question.conversation_id is not None:
        return f"{tenant}\0id\0{question.conversation_id}"
    said = (turn.content for turn in question.conversation if turn.role == "user")
    return f"{tenant}\0{question.user or caller or ''}\0{next(said, question.text)}"


def opens(conversation: Sequence[Message]) -> bool:
    """A conversation's first turn stands for it: turns of one conversation are no evidence of their own."""
    return not any(turn.role != "system" for turn in conversation)


def taken(release: str, weight: float, of: str) -> bool:
    """True for the share of the conversations; with a higher weight more are taken, and none is given back.

    Another release takes others: nobody is always the one it is tried with.
    """
    digest = hashlib.blake2b(f"{release}\0{of}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) < weight * 2**64
