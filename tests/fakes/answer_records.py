"""Records of answers over one passage about a harbour."""

from tandem.domain.passage import Scores
from tandem.domain.record import (
    AnswerRecord,
    Asker,
    RecordedAnswer,
    RecordedCitation,
    RecordedOutcome,
    RecordedPassage,
    RecordedQuestion,
    RecordedRetrieval,
    RecordedTiming,
)

HARBOUR = "The harbour opens at seven. It closes at nine on weekdays. Dogs are welcome on the pier."


def answer_record(text: str, *, outcome: RecordedOutcome = "answered", cites: int = 1) -> AnswerRecord:
    """It cites the passage so many times."""
    passage = RecordedPassage("h#0", "h", "Harbour", "h.md", 0, 10, None, Scores(), text=HARBOUR)
    citations = tuple(RecordedCitation(number + 1, "h#0", 0, 5) for number in range(cites))
    return AnswerRecord(
        id="rcpt-1",
        request_id="r",
        mode="online",
        outcome=outcome,
        asker=Asker("acme"),
        question=RecordedQuestion("When does the harbour open in the morning?"),
        retrieval=RecordedRetrieval("docs", relevance=0.7, passages=(passage,)),
        answer=RecordedAnswer(text, len(text), citations),
        timing=RecordedTiming(1_767_225_600.0, 1.0),
    )
