"""An answer together with what people thought of it: what evaluation and training sets are made of."""

from collections.abc import Iterable
from dataclasses import dataclass

from tandem.domain.feedback import Feedback
from tandem.domain.question import Message
from tandem.domain.record import AnswerRecord, RecordedPassage


@dataclass(frozen=True, slots=True)
class Example:
    """`rating` is the mean of all opinions, `corrected` the newest correction, `messages` what the model was asked.

    `question` stands by itself; `passages` are what the answer was to be made from, `cited` the documents it names.
    """

    receipt_id: str
    asked_at: float
    question: str
    messages: tuple[Message, ...]
    answer: str
    abstained: bool
    rating: float
    corrected: str | None
    labels: tuple[str, ...]
    passages: tuple[RecordedPassage, ...]
    cited: tuple[str, ...]
    collection: str
    prompt: str
    model: str
    opinions: int

    @property
    def up(self) -> bool:
        """People liked it."""
        return self.rating > 0

    @property
    def down(self) -> bool:
        """They did not."""
        return self.rating < 0


def example(record: AnswerRecord, opinions: Iterable[Feedback]) -> Example | str:
    """Or the reason why there is none: `not_captured`, `no_answer`, `undecided`."""
    said = sorted(opinions, key=lambda each: (each.given_at, each.caller, each.user or ""))
    asked, answer = record.question, record.answer
    if not record.content or asked.text is None:
        return "not_captured"
    if record.outcome not in {"answered", "abstained", "ungrounded"} or not answer.text:
        return "no_answer"
    corrected = next((each.corrected_answer for each in reversed(said) if each.corrected_answer), None)
    rating = sum(each.rating for each in said) / len(said)
    if not rating and corrected is None:
        return "undecided"
    documents = {passage.chunk_id: passage.document_id for passage in record.retrieval.passages}
    cited = dict.fromkeys(documents[each.chunk_id] for each in answer.citations if each.chunk_id in documents)
    question = asked.standalone if asked.conversation and asked.standalone else asked.text
    sent = record.prompt.messages if record.prompt else ()
    return Example(
        receipt_id=record.id,
        asked_at=record.timing.began_at,
        question=question,
        messages=sent or (*asked.conversation, Message("user", asked.text)),
        answer=answer.text,
        abstained=record.outcome == "abstained",
        rating=rating,
        corrected=corrected,
        labels=tuple(sorted({label for each in said for label in each.labels})),
        passages=record.retrieval.passages,
        cited=tuple(cited),
        collection=record.retrieval.collection,
        prompt=record.prompt.template if record.prompt else "",
        model=_model(record),
        opinions=len(said),
    )


def _model(record: AnswerRecord) -> str:
    if record.model is None:
        return ""
    return f"{record.model.id}@{record.model.revision}" if record.model.revision else record.model.id
