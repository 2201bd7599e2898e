"""What is different between two receipts."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tandem.http.wire.receipts import WireReceipt, WireReceiptPassage

Change = Literal["kept", "gone", "new"]
Piece = tuple[Literal["same", "gone", "new"], str]
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
# Longer texts are compared by lines: by words it would take as long as their lengths multiplied.
_MOST_WORDS = 4_000


@dataclass(frozen=True, slots=True)
class Changed:
    """One fact of both."""

    name: str
    before: object
    after: object

    @property
    def same(self) -> bool:
        """Whether it is the same."""
        return self.before == self.after


@dataclass(frozen=True, slots=True)
class PassageChange:
    """Ranks count from 1; a passage that one of them has not has None there."""

    chunk_id: str
    change: Change
    rank_before: int | None
    rank_after: int | None
    scores_before: dict[str, float | None]
    scores_after: dict[str, float | None]
    text_changed: bool = False


@dataclass(frozen=True, slots=True)
class ReceiptDiff:
    """`passages` is None where one of the receipts does not show which they were; texts are None where they are not shown."""

    before: str
    after: str
    question: tuple[Piece, ...] | None
    versions: tuple[Changed, ...]
    passages: tuple[PassageChange, ...] | None
    prompt: tuple[Piece, ...] | None
    answer: tuple[Piece, ...] | None
    outcome: Changed
    figures: tuple[Changed, ...]

    @property
    def same(self) -> bool:
        """True when the same passages, in their order, led to the same outcome and answer."""
        moved = any(
            each.change != "kept" or each.rank_before != each.rank_after or each.text_changed
            for each in self.passages or ()
        )
        return not moved and self.outcome.same and _unchanged(self.answer)


def receipt_diff(before: WireReceipt, after: WireReceipt) -> ReceiptDiff:
    """From the one to the other."""
    return ReceiptDiff(
        before.id,
        after.id,
        _texts(before.question.text, after.question.text),
        tuple(
            Changed(name, one, other)
            for (name, one), (_, other) in zip(_versions(before), _versions(after), strict=True)
        ),
        _passages(before, after),
        _texts(_prompt(before), _prompt(after)),
        _texts(before.answer.text, after.answer.text),
        Changed("outcome", before.outcome, after.outcome),
        tuple(
            Changed(name, one, other) for (name, one), (_, other) in zip(_figures(before), _figures(after), strict=True)
        ),
    )


def pieces(before: str, after: str) -> tuple[Piece, ...]:
    """The texts by words, or by lines where they are long: what both have, what is gone, what is new."""
    one, other = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(one), len(other)) > _MOST_WORDS:
        one, other = before.splitlines(keepends=True), after.splitlines(keepends=True)
    found: list[Piece] = []
    for kind, start, end, start_after, end_after in difflib.SequenceMatcher(
        None, one, other, autojunk=False
    ).get_opcodes():
        if kind == "equal":
            found.append(("same", "".join(one[start:end])))
            continue
        for sign, words in (("gone", one[start:end]), ("new", other[start_after:end_after])):
            if words:
                found.append((sign, "".join(words)))  # type: ignore[arg-type]
    return tuple(found)


def _texts(before: str | None, after: str | None) -> tuple[Piece, ...] | None:
    return None if before is None or after is None else pieces(before, after)


def _unchanged(compared: Sequence[Piece] | None) -> bool:
    return all(sign == "same" for sign, _ in compared or ())


def _prompt(receipt: WireReceipt) -> str | None:
    if receipt.prompt is None or not receipt.prompt.messages:
        return None
    return "\n".join(f"[{message.role}]\n{message.content}" for message in receipt.prompt.messages)


def _versions(receipt: WireReceipt) -> list[tuple[str, object]]:
    found, model = receipt.retrieval, receipt.model
    return [
        ("release", receipt.release or None),
        ("collection", found.collection or found.asked),
        ("embedder", found.embedder or None),
        ("sparse", found.sparse or None),
        ("reranker", found.reranker),
        ("prompt", receipt.prompt.template if receipt.prompt else None),
        ("model", model.id if model else None),
        ("revision", model.revision if model else None),
        ("data set", model.dataset if model else None),
        ("engine", model.engine if model else None),
        ("pool", model.pool if model else None),
        ("region", model.region if model else None),
    ]


def _figures(receipt: WireReceipt) -> list[tuple[str, float | None]]:
    stages = {stage.name: stage.took_s for stage in receipt.timing.stages}
    return [
        ("first token s", receipt.timing.first_token_s),
        ("whole s", receipt.timing.duration_s),
        *((f"{name} s", stages.get(name)) for name in ("queue", "retrieval", "generation")),
        ("prompt tokens", receipt.usage.prompt_tokens),
        ("answer tokens", receipt.usage.completion_tokens),
        ("cost", receipt.usage.cost),
    ]


def _passages(before: WireReceipt, after: WireReceipt) -> tuple[PassageChange, ...] | None:
    if "withheld" in {before.texts, after.texts}:
        return None
    one = {each.chunk_id: (rank, each) for rank, each in enumerate(before.retrieval.passages, 1)}
    other = {each.chunk_id: (rank, each) for rank, each in enumerate(after.retrieval.passages, 1)}
    order = [*other, *(name for name in one if name not in other)]
    return tuple(_passage(name, one.get(name), other.get(name)) for name in order)


def _passage(
    name: str, before: tuple[int, WireReceiptPassage] | None, after: tuple[int, WireReceiptPassage] | None
) -> PassageChange:
    change: Change = "new" if before is None else "gone" if after is None else "kept"
    return PassageChange(
        name,
        change,
        None if before is None else before[0],
        None if after is None else after[0],
        {} if before is None else before[1].scores.model_dump(),
        {} if after is None else after[1].scores.model_dump(),
        before is not None and after is not None and before[1].text != after[1].text,
    )
