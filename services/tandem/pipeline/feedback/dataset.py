"""A data set of one tenant's answers and what people thought of them, with its lineage: the same bytes for the same input."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from tandem.domain.errors import InvalidRequest
from tandem.domain.feedback import Feedback
from tandem.domain.record import AnswerRecord
from tandem.pipeline.feedback.example import Example, example
from tandem.pipeline.feedback.golden import eval_files
from tandem.pipeline.feedback.lines import File
from tandem.pipeline.feedback.training import training_files

FORMAT = 1


@dataclass(frozen=True, slots=True)
class DataSet:
    """`left_out` counts answers that people rated and that are in no file, by reason."""

    tenant: str
    examples: tuple[Example, ...]
    files: tuple[File, ...]
    left_out: Mapping[str, int]

    @property
    def digest(self) -> str:
        """Of all files: two sets with the same one are the same."""
        told = "".join(f"{each.name} {_hash(each.content)}\n" for each in self.files)
        return f"sha256:{_hash(told.encode())}"

    def manifest(self, name: str, made_by: str, filters: Mapping[str, Any]) -> bytes:
        """`dataset.json`: what it is, what it was made of, and how to make it again."""
        examples = self.examples
        told = {
            "dataset": name,
            "format": FORMAT,
            "digest": self.digest,
            "made_by": made_by,
            "tenant": self.tenant,
            "filters": filters,
            "files": {
                each.name: {
                    "sha256": _hash(each.content),
                    "bytes": len(each.content),
                    "lines": each.content.count(b"\n"),
                    "sources": [list(receipts) for receipts in each.sources],
                }
                for each in self.files
            },
            "receipts": [each.receipt_id for each in examples],
            "opinions": sum(each.opinions for each in examples),
            "left_out": dict(sorted(self.left_out.items())),
            "collections": _counted(each.collection for each in examples),
            "prompts": _counted(each.prompt for each in examples),
            "models": _counted(each.model for each in examples),
        }
        return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def dataset(tenant: str, opinions: Sequence[Feedback], records: Iterable[AnswerRecord]) -> DataSet:
    """Raises `InvalidRequest` when something of another tenant is among them."""
    known = {record.id: record for record in records}
    foreign = {record.asker.tenant for record in known.values()} | {each.tenant for each in opinions}
    if foreign - {tenant}:
        raise InvalidRequest("A data set holds answers of one tenant.", hint=f"This one is {tenant}'s.")
    by_receipt: dict[str, list[Feedback]] = {}
    for each in opinions:
        by_receipt.setdefault(each.receipt_id, []).append(each)
    made: list[Example] = []
    left_out: Counter[str] = Counter()
    for receipt_id, said in by_receipt.items():
        record = known.get(receipt_id)
        one = "receipt_gone" if record is None else example(record, said)
        if isinstance(one, str):
            left_out[one] += 1
        else:
            made.append(one)
    examples = sorted(made, key=lambda each: (each.asked_at, each.receipt_id))
    files = (*eval_files(examples), *training_files(examples))
    return DataSet(tenant, tuple(examples), files, left_out)


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()
