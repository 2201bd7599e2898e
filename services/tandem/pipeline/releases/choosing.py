"""Which release answers a question. Nothing is looked up for it: the book is brought here whenever it has changed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from tandem.domain.context import RequestContext
from tandem.domain.question import Question
from tandem.domain.release import BASE, Book, Release
from tandem.pipeline.releases.splitting import opens, taken, unit

# What keeps a release from being used in this process, None when nothing does.
Fault = Callable[[Release], str | None]
# Whether a tenant's questions about a collection may go to one of these pools.
Allowed = Callable[[str, str, frozenset[str]], bool]


@dataclass(frozen=True, slots=True)
class Choice:
    """`release` is what the receipt names, empty for a question that chose its prompt or model itself; `question` is what
    that release makes of it, `pools` the only ones to ask. `shadow` is to answer it once more, for nobody to see.
    """

    release: str
    question: Question
    pools: frozenset[str] | None = None
    shadow: Release | None = None


class Chooser(Protocol):
    """Who is asked before a question is answered, and told afterwards."""

    def choose(self, question: Question, context: RequestContext) -> Choice:
        """At once, and always the same for one conversation while the releases are the same."""
        ...

    def answered(self, choice: Choice, question: Question, context: RequestContext) -> None:
        """It was, to its end: not when it failed, was refused, or its client left."""
        ...


class Unreleased:
    """`Chooser` where the configuration serves, and no release can change that."""

    def choose(self, question: Question, context: RequestContext) -> Choice:
        """As it is."""
        del context
        return Choice("", question)

    def answered(self, choice: Choice, question: Question, context: RequestContext) -> None:
        """Nothing follows."""


class Choosing:
    """`Chooser` by the latest book. `shadows` takes what is to be answered once more."""

    def __init__(
        self, fault: Fault, allowed: Allowed, shadows: Callable[[Release, Question, RequestContext], None]
    ) -> None:
        self._fault = fault
        self._allowed = allowed
        self._shadows = shadows
        self._serving: Release | None = None
        self.candidate: Release | None = None

    def see(self, book: Book) -> None:
        """The latest one. What cannot be used in this process counts as if it was not there."""
        self._serving, self.candidate = self._usable(book.serving), self._usable(book.candidate)

    def choose(self, question: Question, context: RequestContext) -> Choice:
        """Only what somebody waits for is tried on a candidate: a batch is answered in one way."""
        if question.prompt is not None or question.model is not None:
            return Choice("", question)
        tried = self.candidate
        shadow = None
        if (
            tried is not None
            and context.mode == "online"
            and taken(tried.name, tried.weight, unit(question, context.tenant, context.user))
            and self._fits(tried, question, context)
        ):
            if tried.mode == "canary":
                return by(tried, question)
            # Of what nothing is learned, nothing is asked again.
            shadow = tried if opens(question.conversation) else None
        serving = self._serving
        if serving is None or not self._fits(serving, question, context):
            return Choice(BASE, question, shadow=shadow)
        # Its collection is the one that serves under its name, and whatever is promoted after it.
        return replace(by(replace(serving, collection=None), question), shadow=shadow)

    def answered(self, choice: Choice, question: Question, context: RequestContext) -> None:
        """See the protocol."""
        if choice.shadow is not None:
            self._shadows(choice.shadow, question, context)

    def _fits(self, release: Release, question: Question, context: RequestContext) -> bool:
        collection = question.retrieval.collection
        if not release.covers(collection):
            return False
        return not release.pools or self._allowed(context.tenant, collection, frozenset(release.pools))

    def _usable(self, release: Release | None) -> Release | None:
        return None if release is None or self._fault(release) is not None else release


class Always:
    """`Chooser` of one release, for those who ask it alone."""

    def __init__(self, release: Release) -> None:
        self._release = release

    def choose(self, question: Question, context: RequestContext) -> Choice:
        """That one."""
        del context
        return by(self._release, question)

    def answered(self, choice: Choice, question: Question, context: RequestContext) -> None:
        """Nothing follows."""


def by(release: Release, question: Question) -> Choice:
    """What the release makes of a question."""
    retrieval = question.retrieval
    if release.collection is not None:
        retrieval = replace(retrieval, collection=release.collection)
    changed = replace(question, prompt=release.prompt, retrieval=retrieval)
    return Choice(release.name, changed, frozenset(release.pools) or None)
