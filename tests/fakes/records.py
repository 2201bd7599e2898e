"""Records of answers as tests need them."""

from dataclasses import replace

from tandem.domain.model_version import Ancestry
from tandem.domain.passage import Scores, StageTime
from tandem.domain.question import Message
from tandem.domain.record import (
    AnswerRecord,
    Asker,
    RecordedAnswer,
    RecordedCitation,
    RecordedModel,
    RecordedOutcome,
    RecordedPassage,
    RecordedPrompt,
    RecordedQuestion,
    RecordedRetrieval,
    RecordedTiming,
    RecordedTrace,
)

QUESTION = "What does a berth cost a night?"
PASSAGE = "A berth for a boat of up to eight metres costs fourteen crowns a night."
ANSWER = "Fourteen crowns a night. [1]"


def answer_record(
    id_: str = "rcpt-1",
    *,
    tenant: str = "acme",
    caller: str = "ann",
    user: str | None = None,
    outcome: RecordedOutcome = "answered",
    began_at: float = 1_700_000_000.25,
    collection: str = "docs@3",
    model: str = "llama",
    prompt: str = "answer@1",
    release: str = "7",
    groups: tuple[str, ...] = (),
    question: str = QUESTION,
) -> AnswerRecord:
    """One answer from one passage, with all its texts."""
    message = Message("user", f"{PASSAGE}\n{question}")
    return AnswerRecord(
        id=id_,
        request_id=f"req-{id_}",
        mode="online",
        outcome=outcome,
        asker=Asker(tenant, caller, user, groups),
        question=RecordedQuestion(question, (Message("user", "Hello."),), question, (question,), len(question)),
        retrieval=RecordedRetrieval(
            collection.partition("@")[0], collection, "minilm@1", "bm25-en", None, 0.875, 0, (passage("harbour.md#0"),)
        ),
        answer=RecordedAnswer(
            ANSWER, len(ANSWER), (RecordedCitation(1, "harbour.md#0", 2, 7),), "stop", 40, 9, 0.000125
        ),
        timing=RecordedTiming(
            began_at, 0.5, 0.25, (StageTime("retrieval", 0.0, 0.1), StageTime("generation", 0.1, 0.4))
        ),
        trace=RecordedTrace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"),
        prompt=RecordedPrompt(prompt, (message,), len(message.content)),
        model=RecordedModel(
            model, "tgi", "abc123", "gpu", "eu", "preferred", 1, ("eu",), Ancestry("support@3", "run-7")
        ),
        release=release,
        redacted={"email": 1},
        scores={"support": 0.75},
    )


def passage(chunk_id: str, *, text: str | None = PASSAGE, dense: float = 0.5) -> RecordedPassage:
    """A passage that was to be answered from."""
    document = chunk_id.partition("#")[0]
    return RecordedPassage(
        chunk_id, document, "Harbour guide", f"file:{document}", 10, 81, None, Scores(dense, 4.5, 0.03), (), text
    )


def with_passages(record: AnswerRecord, *passages: RecordedPassage) -> AnswerRecord:
    """The same, answered from these."""
    return replace(record, retrieval=replace(record.retrieval, passages=passages))
