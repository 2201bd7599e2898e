"""From what a question seems to say of documents to conditions that some document of the collection meets."""

from collections.abc import Iterable
from itertools import islice

from tandem.domain.filters import Condition, Filter
from tandem.pipeline.catalogue import Shelf
from tandem.retrieval.reading.hint import Hint, Span, blanked
from tandem.retrieval.reading.told import shown

# Compared with the collection's values; of the others it is asked whether any document meets them.
_NAMED = ("author", "tags", "media_type", "language")
# Of one kind; no question means more, and each may cost a look at the store.
_MOST_HINTS = 16


class Inferring:
    """One question's conditions, one after the other: each has to hold together with the request's and those before it.

    `asked` is the question, `filters` what came of it, the `spans` they were read from, and `told` for `explain`.
    """

    def __init__(self, question: str, filters: Filter, shelf: Shelf) -> None:
        self.asked = question
        self._request = filters
        self._shelf = shelf
        self.filters: list[Condition] = []
        self.spans: list[Span] = []
        self.told: list[str] = []

    @property
    def left(self) -> str:
        """The question with blanks where something was read already."""
        return blanked(self.asked, self.spans)

    def has(self, field: str) -> bool:
        """True when the question's conditions name the field."""
        return any(condition.field == field for condition in self.filters)

    async def take(self, hints: Iterable[Hint]) -> None:
        """What the rules found, surest first; of each field but the tags, one."""
        for hint in islice(hints, _MOST_HINTS):
            if hint.field is not None:
                await self._take_name(hint)
            else:
                await self._take_choice(hint)

    async def propose(self, proposals: Filter) -> None:
        """What a model read out of the question, where no rule did and the collection knows the value."""
        for proposal in proposals:
            condition = await self._known(proposal)
            if self._taken(proposal):
                self.told.append(f"model: {shown(proposal)}: left out, the field has a condition already")
            elif condition is None:
                self.told.append(f"model: {shown(proposal)}: left out, the collection has no such value")
            elif not await self._holds(condition):
                self.told.append(f"model: {shown(proposal)}: left out, no document meets it")
            else:
                self.filters.append(condition)
                self.told.append(f"model: {shown(condition)}")

    async def _take_name(self, hint: Hint) -> None:
        field = hint.field
        if field is None or (field != "tags" and self._taken(Condition(field))):
            return
        names = await self._shelf.names(field)
        found = names.at_start(hint.name, partial=hint.partial, proper=field == "author")
        if found is None or (not hint.open and found.length < len(hint.name)):
            return
        start, stop = hint.span
        span = (start, stop + found.length if hint.open else stop)
        await self._settle(hint, Condition(field, found.values), span)

    async def _take_choice(self, hint: Hint) -> None:
        free = [choice for choice in hint.choices if not self._taken(choice)]
        for choice in free:
            if await self._settle(hint, choice, hint.span, quiet=True):
                return
        if free:
            self.told.append(f"{hint.rule}: {self._said(hint.span)!r}: left out, no document meets it")

    async def _settle(self, hint: Hint, condition: Condition, span: Span, *, quiet: bool = False) -> bool:
        if await self._holds(condition):
            self.filters.append(condition)
            self.spans.append(span)
            self.told.append(f"{hint.rule}: {self._said(span)!r}: {shown(condition)}")
            return True
        if not quiet:
            self.told.append(f"{hint.rule}: {self._said(span)!r}: left out, no document meets it")
        return False

    async def _known(self, proposal: Condition) -> Condition | None:
        """The proposal with the collection's own spelling of its values; None when it knows none of them."""
        if proposal.field not in _NAMED:
            return proposal
        names = await self._shelf.names(proposal.field)
        found = [names.at_start(value) for value in proposal.any_of]
        values = tuple(
            value
            for named, said in zip(found, proposal.any_of, strict=True)
            if named is not None and named.length == len(said)
            for value in named.values
        )
        return Condition(proposal.field, values) if values else None

    def _taken(self, wanted: Condition) -> bool:
        """One condition per field, and the request's own come first."""
        return any(condition.field == wanted.field for condition in (*self._request, *self.filters))

    async def _holds(self, condition: Condition) -> bool:
        return await self._shelf.holds((*self._request, *self.filters, condition))

    def _said(self, span: Span) -> str:
        return " ".join(self.asked[span[0] : span[1]].split())
