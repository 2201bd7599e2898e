"""Sets to train a model with: what it should have said, and which of two answers people preferred."""

from collections.abc import Iterator, Sequence
from typing import Any

from tandem.domain.question import Message
from tandem.pipeline.feedback.example import Example
from tandem.pipeline.feedback.lines import File, json_lines
from tandem.retrieval.sameness import folded

_Pair = tuple[tuple[str, ...], Sequence[Message], str, str]


def training_files(examples: Sequence[Example]) -> Iterator[File]:
    """`sft.jsonl` (`messages`, as OpenAI and TRL read it), and preferences in TRL's shape and in OpenAI's."""
    yield json_lines("sft.jsonl", [((each.receipt_id,), _conversation(each)) for each in examples if _right(each)])
    pairs = [*_corrections(examples), *_choices(examples)]
    yield json_lines("preferences.jsonl", [(pair[0], _trl(pair)) for pair in pairs])
    yield json_lines("preferences.openai.jsonl", [(pair[0], _openai(pair)) for pair in pairs])


def _right(example: Example) -> str | None:
    """What should have been said; None when nobody knows."""
    if example.corrected is not None:
        return example.corrected
    return example.answer if example.up else None


def _conversation(example: Example) -> dict[str, Any]:
    return {"messages": [*_messages(example.messages), _said(_right(example) or "")]}


def _corrections(examples: Sequence[Example]) -> Iterator[_Pair]:
    for each in examples:
        if each.corrected is not None and each.corrected.strip() != each.answer.strip():
            yield (each.receipt_id,), each.messages, each.corrected, each.answer


def _choices(examples: Sequence[Example]) -> Iterator[_Pair]:
    """Two answers to one question, of which people liked one and not the other: each disliked one with the newest liked."""
    liked: dict[str, Example] = {folded(each.question): each for each in examples if each.up and each.corrected is None}
    for each in examples:
        better = liked.get(folded(each.question))
        if each.down and better is not None and better.answer.strip() != each.answer.strip():
            yield (better.receipt_id, each.receipt_id), better.messages, better.answer, each.answer


def _trl(pair: _Pair) -> dict[str, Any]:
    _, asked, chosen, rejected = pair
    return {"prompt": _messages(asked), "chosen": [_said(chosen)], "rejected": [_said(rejected)]}


def _openai(pair: _Pair) -> dict[str, Any]:
    _, asked, chosen, rejected = pair
    return {
        "input": {"messages": _messages(asked)},
        "preferred_output": [_said(chosen)],
        "non_preferred_output": [_said(rejected)],
    }


def _messages(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
