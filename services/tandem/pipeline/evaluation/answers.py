"""Measures of one answer: does what it cites support it, is it grounded, does it cite and say what it should."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tandem.domain.answer import Citation
from tandem.domain.passage import Passage
from tandem.pipeline.evaluation.gold import contains, f1
from tandem.pipeline.evaluation.statements import Statement, statements
from tandem.ports.answerer import WholeAnswer
from tandem.ports.judge import Claim, Judge
from tandem.prompting.citations import supporting_span

# What each measure means is told to people by `docs/evaluation.md`.
MEASURES = (
    "citation_precision",
    "citation_recall",
    "gold_cited",
    "cites_gold",
    "groundedness",
    "answer_contains",
    "answer_f1",
)


@dataclass(frozen=True, slots=True)
class Expected:
    """`relevant` are documents that answer the question, `answers` texts any of which would be right."""

    relevant: Mapping[str, int]
    answers: tuple[str, ...]


async def graded(
    answer: WholeAnswer,
    passages: Sequence[Passage],
    expected: Expected,
    judge: Judge,
    document_of: Callable[[Passage], str],
) -> dict[str, float]:
    """Measures 0…1 by name; one that cannot be told is left out. `passages` are those that the answer was made from.

    `citation_precision`: share of the citations, a statement and a passage that it names, whose span supports the statement.
    `citation_recall`: share of the statements that at least one of their citations supports (both after ALCE, Gao et al.,
    EMNLP 2023, with spans in place of whole passages). `gold_cited`: share of the relevant documents that are cited;
    `cites_gold`: share of the cited documents that are relevant. `groundedness`: share of the statements that any of the
    passages supports. `answer_contains` and `answer_f1`: against the gold answers, see `gold.py`.

    Who abstains says nothing that could be grounded; of a question that has an answer the rest is 0 then.
    """
    found: dict[str, float] = {}
    abstained = answer.end.outcome == "abstained"
    if expected.answers:
        found["answer_contains"] = 0.0 if abstained else contains(answer.text, expected.answers)
        found["answer_f1"] = 0.0 if abstained else f1(answer.text, expected.answers)
    cited = list(dict.fromkeys(document_of(each.passage) for each in answer.end.citations))
    if expected.relevant:
        found["gold_cited"] = sum(each in cited for each in expected.relevant) / len(expected.relevant)
    if cited and expected.relevant:
        found["cites_gold"] = sum(each in expected.relevant for each in cited) / len(cited)
    if not abstained:
        found |= await _supported(answer, passages, judge)
    return {name: found[name] for name in MEASURES if name in found}


async def _supported(answer: WholeAnswer, passages: Sequence[Passage], judge: Judge) -> dict[str, float]:
    told = statements(answer.text)
    if not told:
        return {}
    pairs = list(_pairs(told, answer.end.citations))
    texts = tuple(dict.fromkeys(p.chunk.text for p in (*passages, *(each.passage for each in answer.end.citations))))
    claims = [Claim(told[at].text, (span,)) for at, span in pairs] + [Claim(each.text, texts) for each in told]
    good = [value >= judge.threshold for value in await judge.support(claims)]
    backed = {at for (at, _), fine in zip(pairs, good, strict=False) if fine}
    found = {
        "citation_recall": len(backed) / len(told),
        "groundedness": sum(good[len(pairs) :]) / len(told),
    }
    return found | ({"citation_precision": sum(good[: len(pairs)]) / len(pairs)} if pairs else {})


def _pairs(told: Sequence[Statement], citations: Sequence[Citation]) -> list[tuple[int, str]]:
    """Each statement's index with the span of each passage that it cites.

    Of an answer that names no passage the platform cites those that hold its words: these stand for every statement.
    """
    known = {each.number: each.passage.chunk.text for each in citations}
    unmarked = not any(each.numbers for each in told)
    return [
        (at, known[number][slice(*supporting_span(statement.text, known[number]))])
        for at, statement in enumerate(told)
        for number in (known if unmarked else statement.numbers)
        if number in known
    ]
