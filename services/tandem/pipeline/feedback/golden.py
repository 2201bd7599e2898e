"""The eval set: questions whose right documents people confirmed, as golden questions and in BEIR's layout."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tandem.domain.text import stems
from tandem.pipeline.feedback.example import Example
from tandem.pipeline.feedback.lines import File, json_lines
from tandem.retrieval.relevance import coverage
from tandem.retrieval.sameness import folded

# A document is right for a corrected answer when one of its passages holds so much of the correction's words.
_HELD = 0.7


@dataclass(frozen=True, slots=True)
class Golden:
    """One question; without documents the right answer is that there is none."""

    id: str
    question: str
    document_ids: tuple[str, ...]
    answer: str | None


def golden(examples: Sequence[Example]) -> list[Golden]:
    """Each question once: the newest answer to it that people confirmed or corrected counts. In the order of asking."""
    found: dict[str, Golden] = {}
    for each in examples:
        made = _golden(each)
        if made is not None:
            # Taken out first, so that it stands where the newest one was asked.
            found.pop(folded(each.question), None)
            found[folded(each.question)] = made
    return list(found.values())


def _golden(example: Example) -> Golden | None:
    if example.corrected is not None:
        right = tuple(_holding(example))
        return Golden(example.receipt_id, example.question, right, example.corrected) if right else None
    if not example.up:
        return None
    if example.abstained:
        return Golden(example.receipt_id, example.question, (), None)
    if not example.cited:
        return None
    return Golden(example.receipt_id, example.question, example.cited, example.answer)


def _holding(example: Example) -> Iterable[str]:
    """Documents that the correction may come from; when people liked the answer, those it cites count as well."""
    wanted = stems(example.corrected or "")
    held = [
        passage.document_id
        for passage in example.passages
        if passage.text is not None and coverage(wanted, passage.text) >= _HELD
    ]
    return dict.fromkeys([*(example.cited if example.up else ()), *held])


def eval_files(examples: Sequence[Example]) -> Iterator[File]:
    """`golden/golden.jsonl` for a collection that exists, the rest for an index of its own: what the answers were made from."""
    questions = golden(examples)
    yield json_lines("golden/golden.jsonl", [((each.id,), _line(each)) for each in questions])
    known = [each for each in questions if each.document_ids]
    yield json_lines("corpus.jsonl", _corpus(examples))
    yield json_lines("queries.jsonl", [((each.id,), {"_id": each.id, "text": each.question}) for each in known])
    rows = [f"{each.id}\t{document}\t1\n" for each in known for document in each.document_ids]
    yield File("qrels/test.tsv", "".join(["query-id\tcorpus-id\tscore\n", *rows]).encode())
    yield json_lines(
        "answers.jsonl",
        [((each.id,), {"_id": each.id, "answers": [each.answer]}) for each in known if each.answer is not None],
    )


def _line(question: Golden) -> dict[str, object]:
    line: dict[str, object] = {"id": question.id, "question": question.question}
    if not question.document_ids:
        return {**line, "unanswerable": True}
    line["document_ids"] = list(question.document_ids)
    return line if question.answer is None else {**line, "answer": question.answer}


def _corpus(examples: Sequence[Example]) -> list[tuple[tuple[str, ...], dict[str, str]]]:
    """Documents as far as answers saw them: their passages, in the order in which they stand there."""
    titles: dict[str, str] = {}
    texts: dict[str, dict[tuple[int, str], str]] = {}
    receipts: dict[str, dict[str, None]] = {}
    for each in examples:
        for passage in each.passages:
            if passage.text is not None:
                titles.setdefault(passage.document_id, passage.title or "")
                texts.setdefault(passage.document_id, {})[passage.start, passage.text] = passage.text
                receipts.setdefault(passage.document_id, {})[each.receipt_id] = None
    return [
        (
            tuple(receipts[name]),
            {"_id": name, "title": titles[name], "text": "\n\n".join(text for _, text in sorted(texts[name].items()))},
        )
        for name in sorted(texts)
    ]
