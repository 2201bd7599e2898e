"""The columns of a record's row. The table in docs/record-sinks.md is made from them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tandem.adapters.parquet.values import citations, json, microseconds, plain, texts, turns
from tandem.adapters.parquet.values import passages as found
from tandem.domain.record import AnswerRecord

_TEXTS = "VARCHAR[]"
_TURNS = "STRUCT(role VARCHAR, content VARCHAR)[]"
_SCORES = ", ".join(f"{name} DOUBLE" for name in ("dense", "sparse", "fused", "rerank", "relevance", "marginal"))
_PASSAGES = (
    "STRUCT(chunk_id VARCHAR, document_id VARCHAR, title VARCHAR, source VARCHAR, start_char BIGINT, end_char BIGINT, "
    f"page BIGINT, {_SCORES}, flags VARCHAR[], content VARCHAR)[]"
)
_CITATIONS = "STRUCT(number BIGINT, chunk_id VARCHAR, start_char BIGINT, end_char BIGINT)[]"
_STAGES = "STRUCT(name VARCHAR, began_s DOUBLE, took_s DOUBLE)[]"
# The folders say these two: day=2026-03-01/tenant=acme.
PARTITIONED = {"day": "timing.began_at", "tenant": "asker.tenant"}


@dataclass(frozen=True, slots=True)
class Column:
    """`type` is DuckDB's name of it, which Parquet has for each; `field` is where in the record it comes from.

    `value` makes what JSON can say of that.
    """

    name: str
    type: str
    field: str
    meaning: str
    value: Callable[[Any], Any] = plain

    def of(self, record: AnswerRecord) -> Any:
        """The value in this record's row, None where the record has no such part."""
        part: Any = record
        for name in self.field.split("."):
            part = getattr(part, name)
            if part is None:
                return None
        return self.value(part)


COLUMNS: tuple[Column, ...] = (
    Column("id", "VARCHAR", "id", "The receipt's id."),
    Column("request_id", "VARCHAR", "request_id", "`x-request-id`."),
    Column("began_at", "TIMESTAMPTZ", "timing.began_at", "When the request arrived, UTC.", microseconds),
    Column("mode", "VARCHAR", "mode", "online, async, batch or stream."),
    Column(
        "outcome", "VARCHAR", "outcome", "answered, abstained, ungrounded, refused, failed, client_closed, cancelled."
    ),
    Column("caller", "VARCHAR", "asker.caller", "The key's or token's name."),
    Column("user_id", "VARCHAR", "asker.user", "Whom the caller asked for; an alias where texts are not kept."),
    Column("groups", _TEXTS, "asker.groups", "The caller's groups.", texts),
    Column("content", "BOOLEAN", "content", "Whether texts were kept; without, they are null or empty."),
    Column("question", "VARCHAR", "question.text", "The question."),
    Column("question_chars", "BIGINT", "question.chars", "Its length."),
    Column("conversation", _TURNS, "question.conversation", "What was said before it.", turns),
    Column("standalone", "VARCHAR", "question.standalone", "What was searched for."),
    Column("queries", _TEXTS, "question.queries", "All texts that were searched for.", texts),
    Column("collection_asked", "VARCHAR", "retrieval.asked", "The collection as the request names it."),
    Column("collection", "VARCHAR", "retrieval.collection", "The version that was searched, such as docs@3."),
    Column("options", "VARCHAR", "retrieval.options", "What the request said about retrieval, as JSON.", json),
    Column("embedder", "VARCHAR", "retrieval.embedder", "The embedding model."),
    Column("sparse", "VARCHAR", "retrieval.sparse", "What made the sparse vectors."),
    Column("reranker", "VARCHAR", "retrieval.reranker", "The reranker, null without one."),
    Column("relevance", "DOUBLE", "retrieval.relevance", "The best passage's, 0 to 1."),
    Column("suspicious", "BIGINT", "retrieval.suspicious", "Passages that speak to the model."),
    Column("passages", _PASSAGES, "retrieval.passages", "What the answer was made from, best first.", found),
    Column("prompt", "VARCHAR", "prompt.template", "The template, name@version."),
    Column("prompt_chars", "BIGINT", "prompt.chars", "Length of the messages that went to the model."),
    Column("messages", _TURNS, "prompt.messages", "These messages.", turns),
    Column("model", "VARCHAR", "model.id", "The model."),
    Column("engine", "VARCHAR", "model.engine", "What ran it."),
    Column("revision", "VARCHAR", "model.revision", "The model's revision, if known."),
    Column("pool", "VARCHAR", "model.pool", "The predictor pool."),
    Column("region", "VARCHAR", "model.region", "Where that is."),
    Column("route_reason", "VARCHAR", "model.reason", "Why that pool."),
    Column("attempts", "BIGINT", "model.attempts", "Servers that were asked."),
    Column(
        "model_dataset", "VARCHAR", "model.ancestry.dataset", "Data set that the model was trained on, as far as told."
    ),
    Column("training_run", "VARCHAR", "model.ancestry.training_run", "Run that trained it."),
    Column("base_model", "VARCHAR", "model.ancestry.base_model", "Model that it was made from."),
    Column("allowed_regions", _TEXTS, "model.allowed_regions", "What residency left; null: any.", texts),
    Column("max_tokens", "BIGINT", "sampling.max_tokens", "Of the request, or the configured one."),
    Column("temperature", "DOUBLE", "sampling.temperature", "Null: the engine's own."),
    Column("top_p", "DOUBLE", "sampling.top_p", "Null: the engine's own."),
    Column("stop", _TEXTS, "sampling.stop", "Texts that end the answer.", texts),
    Column("seed", "BIGINT", "sampling.seed", "Null: none was asked for."),
    Column("json_schema", "VARCHAR", "sampling.json_schema", "What the answer had to be, as JSON."),
    Column("answer", "VARCHAR", "answer.text", "The answer as far as it came."),
    Column("answer_chars", "BIGINT", "answer.chars", "Its length."),
    Column(
        "citations", _CITATIONS, "answer.citations", "`[number]`, and the span of the passage behind it.", citations
    ),
    Column("finish_reason", "VARCHAR", "answer.finish_reason", "stop or length; null: it came to no end."),
    Column("prompt_tokens", "BIGINT", "answer.prompt_tokens", "By the model's count."),
    Column("completion_tokens", "BIGINT", "answer.completion_tokens", "By the model's count."),
    Column("cost", "DOUBLE", "answer.cost", "In the currency of the configured prices."),
    Column("cached", "BOOLEAN", "answer.cached", "Whether it came from the cache."),
    Column("duration_s", "DOUBLE", "timing.duration_s", "From arrival to the end, seconds."),
    Column("first_token_s", "DOUBLE", "timing.first_token_s", "From arrival to the first text; null: none came."),
    Column("stages", _STAGES, "timing.stages", "The steps, in seconds since arrival."),
    Column("trace_id", "VARCHAR", "trace.trace_id", "32 hex digits."),
    Column("span_id", "VARCHAR", "trace.span_id", "The request's span, 16 hex digits."),
    Column("parent_id", "VARCHAR", "trace.parent_id", "The client's span."),
    Column("sampled", "BOOLEAN", "trace.sampled", "Whether the client's trace is sampled."),
    Column("error_code", "VARCHAR", "error.code", "Why there is no whole answer."),
    Column("error_message", "VARCHAR", "error.message", "The same in words."),
    Column("error_stage", "VARCHAR", "error.stage", "How far it had come."),
    Column("degraded", _TEXTS, "degraded", "What was left out.", texts),
    Column("release", "VARCHAR", "release", "The release that answered."),
    Column("redacted", "MAP(VARCHAR, BIGINT)", "redacted", "What was taken out of texts, by kind."),
    Column("scores", "MAP(VARCHAR, DOUBLE)", "scores", "Measures of the answer's quality, by name."),
    Column("record_schema", "BIGINT", "schema", "The version of the record's shape."),
)


def row(record: AnswerRecord) -> dict[str, Any]:
    """One row, of what JSON can say."""
    return {column.name: column.of(record) for column in COLUMNS}
