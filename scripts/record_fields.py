"""The page of what sinks make of a record, from the code that makes it."""

from collections.abc import Iterator

from tandem.adapters.otlp import openinference
from tandem.adapters.otlp.attributes import GEN_AI, OURS, Of, Row
from tandem.adapters.parquet.schema import COLUMNS, PARTITIONED

_SPANS: dict[Of, str] = {
    "request": "the request's, `invoke_workflow rag`",
    "retrieval": "`retrieval COLLECTION`",
    "embed": "`embeddings MODEL`",
    "chat": "`chat MODEL`",
}


def record_fields() -> Iterator[str]:
    """Attributes of spans, then columns of Parquet."""
    yield "# Record fields"
    yield (
        "What [record sinks](record-sinks.md) make of the fields of a record, as `GET /v1/receipts/{id}` and standard "
        "output have them. What is not known is left out of a span, and null in a column."
    )
    yield "## OTLP attributes"
    rows = ["| span | attribute | field of the record |", "| --- | --- | --- |"]
    rows += [_attribute(row) for row in sorted((*GEN_AI, *OURS, *openinference.ROWS), key=lambda row: _order(row.of))]
    yield "\n".join(rows)
    yield (
        "Other steps, such as `search` and `rerank`, have spans with `tandem.stage`. `error.type` and the status are also "
        "on the span of the step that failed. Events `gen_ai.evaluation.result` carry `gen_ai.evaluation.name` and "
        "`gen_ai.evaluation.score.value`, one for each of `scores`."
    )
    yield "## Parquet columns"
    rows = ["| column | type | field of the record | meaning |", "| --- | --- | --- | --- |"]
    rows += [f"| `{name}` | partition | `{field}` | |" for name, field in PARTITIONED.items()]
    rows += [f"| `{each.name}` | {each.type} | `{each.field}` | {each.meaning} |" for each in COLUMNS]
    yield "\n".join(rows)


def _attribute(row: Row) -> str:
    return f"| {_SPANS[row.of]} | `{row.key}` | {row.field} |"


def _order(of: Of) -> int:
    return list(_SPANS).index(of)
