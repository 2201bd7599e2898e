"""Who looks at a receipt, and what is left of it for whom it was not written."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tandem.domain.groups import EVERY_GROUP
from tandem.domain.record import AnswerRecord, RecordedPassage


@dataclass(frozen=True, slots=True)
class Reader:
    """A caller by its key's or token's name, and the groups that it is a member of now."""

    tenant: str
    caller: str | None = None
    groups: tuple[str, ...] = ()
    admin: bool = False

    def reads(self, record: AnswerRecord) -> bool:
        """True when the texts of this receipt are for it: it asked, or is an admin, and is still in each group with which
        the question was asked. What stands in the passages could be seen with those groups only.
        """
        asker = record.asker
        return asker.tenant == self.tenant and (self.admin or asker.caller == self.caller) and self._in(asker.groups)

    def owns(self, caller: str, groups: Iterable[str]) -> bool:
        """True for what this caller of the tenant handed in, and for admins; what came of it could be seen with its groups only."""
        return (self.admin or caller == (self.caller or "")) and self._in(groups)

    def _in(self, groups: Iterable[str]) -> bool:
        return EVERY_GROUP in self.groups or set(groups) <= set(self.groups)


def withheld(record: AnswerRecord) -> AnswerRecord:
    """The same without its texts, and without what names documents or people. Lengths, scores and versions stay."""
    question, retrieval, answer = record.question, record.retrieval, record.answer
    return replace(
        record,
        asker=replace(record.asker, user=None, groups=()),
        question=replace(question, text=None, conversation=(), standalone=None, queries=()),
        retrieval=replace(
            retrieval,
            passages=tuple(map(_nameless, retrieval.passages)),
            options=replace(retrieval.options, filters=()),
        ),
        prompt=None if record.prompt is None else replace(record.prompt, messages=()),
        answer=replace(answer, text=None, citations=()),
        # A message may quote what was asked, and a schema or a stop word is of the caller's own words.
        error=None if record.error is None else replace(record.error, message=""),
        sampling=replace(record.sampling, stop=(), json_schema=None),
    )


def _nameless(passage: RecordedPassage) -> RecordedPassage:
    return RecordedPassage("", "", None, "", 0, 0, None, passage.scores, passage.flags)
