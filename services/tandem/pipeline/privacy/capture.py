"""Decides by tenant whether a record keeps its texts, and takes out of kept ones what must not be kept."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from tandem.domain.question import Message, Sampling
from tandem.domain.record import (
    AnswerRecord,
    RecordedCitation,
    RecordedOptions,
    RecordedPassage,
    RecordedPrompt,
    RecordedQuestion,
    RecordedRetrieval,
)
from tandem.pipeline.privacy.redaction import Redacted, Redaction
from tandem.pipeline.privacy.users import Users


class PrivacyMeter(Protocol):
    """Counts what was taken out."""

    def redacted(self, kind: str, times: int) -> None:
        """So many of this kind."""
        ...


class Privacy:
    """One step between an answer's record and the disk. Ids, scores, versions, lengths and times are never touched.

    `captures` tells of a tenant whether its texts are kept.
    """

    def __init__(
        self, captures: Callable[[str], bool], redaction: Redaction, users: Users, meter: PrivacyMeter
    ) -> None:
        self._captures = captures
        self._redaction = redaction
        self._users = users
        self._meter = meter

    def __call__(self, record: AnswerRecord) -> AnswerRecord:
        """The record as it may be kept."""
        if not self._captures(record.asker.tenant):
            return _emptied(record, self._users)
        cleaning = Cleaning(self._redaction)
        cleaned = _cleaned(record, cleaning)
        for kind, times in cleaning.counts.items():
            self._meter.redacted(kind, times)
        return replace(cleaned, redacted=dict(cleaning.counts)) if cleaning.counts else cleaned

    def text(self, tenant: str, text: str | None) -> str | None:
        """Something else that a caller of the tenant wrote: None unless texts are kept, without what must not be."""
        if text is None or not self._captures(tenant):
            return None
        cleaning = Cleaning(self._redaction)
        cleaned = cleaning.text(text)
        for kind, times in cleaning.counts.items():
            self._meter.redacted(kind, times)
        return cleaned

    def user(self, tenant: str, user: str | None) -> str | None:
        """The user's id as it is kept."""
        return user if user is None or self._captures(tenant) else self._users.alias(tenant, user)


class Cleaning:
    """Texts of one record, cleaned; `counts` is what was taken out of all of them. Equal texts are looked at once."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._seen: dict[str, Redacted] = {}
        self.counts: Counter[str] = Counter()

    def all(self, text: str) -> Redacted:
        """The text, and where things moved to."""
        known = self._seen.get(text)
        if known is None:
            known = self._seen[text] = self._redaction.clean(text)
        if known.taken:
            self.counts.update(find.kind for find in known.taken)
        return known

    def text(self, text: str) -> str:
        """The text."""
        return self.all(text).text

    def maybe(self, text: str | None) -> str | None:
        """The text, if there is one."""
        return None if text is None else self.text(text)

    def messages(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """The same turns."""
        return tuple(Message(message.role, self.text(message.content)) for message in messages)


def _emptied(record: AnswerRecord, users: Users) -> AnswerRecord:
    """No word of anybody: neither what was asked, found or answered, nor what an error's message may quote of it.

    Every answer comes by here, so that only what holds words is made anew.
    """
    asker, answer, error, prompt, sampling = record.asker, record.answer, record.error, record.prompt, record.sampling
    if asker.user is not None:
        asker = replace(asker, user=users.alias(asker.tenant, asker.user))
    if prompt is not None and prompt.messages:
        prompt = RecordedPrompt(prompt.template, (), prompt.chars)
    if sampling.stop or sampling.json_schema is not None:
        sampling = replace(sampling, stop=(), json_schema=None)
    return replace(
        record,
        asker=asker,
        question=RecordedQuestion(None, chars=record.question.chars),
        retrieval=_wordless(record.retrieval),
        prompt=prompt,
        answer=replace(answer, text=None),
        error=None if error is None else replace(error, message=""),
        sampling=sampling,
        content=False,
    )


def _wordless(retrieval: RecordedRetrieval) -> RecordedRetrieval:
    options = replace(retrieval.options, filters=()) if retrieval.options.filters else retrieval.options
    if not retrieval.passages and options is retrieval.options:
        return retrieval
    passages = tuple(replace(passage, title=None, source="", text=None) for passage in retrieval.passages)
    return replace(retrieval, passages=passages, options=options)


def _cleaned(record: AnswerRecord, clean: Cleaning) -> AnswerRecord:
    question, answer, prompt, error = record.question, record.answer, record.prompt, record.error
    moves: dict[str, Redacted] = {}
    passages = tuple(_passage(passage, clean, moves) for passage in record.retrieval.passages)
    return replace(
        record,
        question=replace(
            question,
            text=clean.maybe(question.text),
            conversation=clean.messages(question.conversation),
            standalone=clean.maybe(question.standalone),
            queries=tuple(map(clean.text, question.queries)),
        ),
        retrieval=replace(record.retrieval, passages=passages, options=_options(record.retrieval.options, clean)),
        prompt=None if prompt is None else replace(prompt, messages=clean.messages(prompt.messages)),
        answer=replace(
            answer,
            text=clean.maybe(answer.text),
            citations=tuple(_moved(citation, moves) for citation in answer.citations) if moves else answer.citations,
        ),
        error=None if error is None else replace(error, message=clean.text(error.message)),
        sampling=_sampling(record.sampling, clean),
    )


def _passage(passage: RecordedPassage, clean: Cleaning, moves: dict[str, Redacted]) -> RecordedPassage:
    text = None
    if passage.text is not None:
        cleaned = clean.all(passage.text)
        text = cleaned.text
        if cleaned.taken:
            moves[passage.chunk_id] = cleaned
    return replace(passage, title=clean.maybe(passage.title), source=clean.text(passage.source), text=text)


def _moved(citation: RecordedCitation, moves: dict[str, Redacted]) -> RecordedCitation:
    """A citation's span is one of the passage's text as it is kept."""
    moved = moves.get(citation.chunk_id)
    if moved is None:
        return citation
    return replace(citation, start=moved.moved(citation.start), end=moved.moved(citation.end))


def _options(options: RecordedOptions, clean: Cleaning) -> RecordedOptions:
    """A filter names what it looks for: an author by his address, say."""
    if not options.filters:
        return options
    cleaned = tuple(replace(each, any_of=tuple(map(clean.text, each.any_of))) for each in options.filters)
    return replace(options, filters=cleaned)


def _sampling(sampling: Sampling, clean: Cleaning) -> Sampling:
    if not sampling.stop and sampling.json_schema is None:
        return sampling
    stop = tuple(map(clean.text, sampling.stop))
    return replace(sampling, stop=stop, json_schema=clean.maybe(sampling.json_schema))
