"""The columns of a record's row. The table in docs/record-sinks.md is made from them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tandem.adapters.parquet.values import messages, passages, prompt_messages
from tandem.domain.record import AnswerRecord


@dataclass(frozen=True, slots=True)
class Column:
    """`type` is DuckDB's name of it, which Parquet has for each; `meaning` is for people. `value` is what JSON can say."""

    name: str
    type: str
    meaning: str
    value: Callable[[AnswerRecord], Any]


def _c(name: str, type_: str, meaning: str, value: Callable[[AnswerRecord], Any]) -> Column:
    return Column(name, type_, meaning, value)


_TEXT = "VARCHAR"
_INT = "BIGINT"
_FLOAT = "DOUBLE"
_TEXTS = "VARCHAR[]"
_MESSAGES = "STRUCT(role VARCHAR, content VARCHAR)[]"
_SCORES = ", ".join(f"{name} DOUBLE" for name in ("dense", "sparse", "fused", "rerank", "relevance", "marginal"))
_PASSAGES = (
    "STRUCT(chunk_id VARCHAR, document_id VARCHAR, title VARCHAR, source VARCHAR, start_char BIGINT, end_char BIGINT, "
    f"page BIGINT, {_SCORES}, flags VARCHAR[], content VARCHAR)[]"
)

COLUMNS: tuple[Column, ...] = (
    _c(
        "id",
        _TEXT,
        "The receipt's id. A record that was shipped twice has it once, but for a spool that lost its positions.",
        lambda r: r.id,
    ),
    _c("request_id", _TEXT, "`x-request-id`.", lambda r: r.request_id),
    _c("began_at", "TIMESTAMPTZ", "When the request arrived, UTC.", lambda r: round(r.timing.began_at * 1e6)),
    _c("mode", _TEXT, "online, async or batch.", lambda r: r.mode),
    _c(
        "outcome",
        _TEXT,
        "How it ended: answered, abstained, ungrounded, refused, failed, client_closed, cancelled.",
        lambda r: r.outcome,
    ),
    _c("caller", _TEXT, "The key's or token's name.", lambda r: r.asker.caller),
    _c("user_id", _TEXT, "Whom the caller asked for.", lambda r: r.asker.user),
    _c("groups", _TEXTS, "The caller's groups.", lambda r: list(r.asker.groups)),
    _c("content", "BOOLEAN", "Whether texts were kept; without, all of them are null or empty.", lambda r: r.content),
    _c("question", _TEXT, "The question.", lambda r: r.question.text),
    _c("question_chars", _INT, "Its length.", lambda r: r.question.chars),
    _c("conversation", _MESSAGES, "What was said before it.", lambda r: messages(r.question.conversation)),
    _c("standalone", _TEXT, "What was searched for.", lambda r: r.question.standalone),
    _c("queries", _TEXTS, "All texts that were searched for.", lambda r: list(r.question.queries)),
    _c("collection_asked", _TEXT, "The collection as the request named it.", lambda r: r.retrieval.asked),
    _c("collection", _TEXT, "The version that was searched, such as docs@3.", lambda r: r.retrieval.collection),
    _c("embedder", _TEXT, "The embedding model.", lambda r: r.retrieval.embedder),
    _c("sparse", _TEXT, "What made the sparse vectors.", lambda r: r.retrieval.sparse),
    _c("reranker", _TEXT, "The reranker, null without one.", lambda r: r.retrieval.reranker),
    _c("relevance", _FLOAT, "The best passage's relevance, 0 to 1.", lambda r: r.retrieval.relevance),
    _c("suspicious", _INT, "Passages that spoke to the model.", lambda r: r.retrieval.suspicious),
    _c(
        "passages",
        _PASSAGES,
        "What the answer was made from, best first; `start_char` and `end_char` are the span in the document.",
        passages,
    ),
    _c("prompt", _TEXT, "The template, name@version.", lambda r: r.prompt and r.prompt.template),
    _c("prompt_chars", _INT, "Length of the messages that went to the model.", lambda r: r.prompt and r.prompt.chars),
    _c("messages", _MESSAGES, "These messages.", prompt_messages),
    _c("model", _TEXT, "The model.", lambda r: r.model and r.model.id),
    _c("engine", _TEXT, "What ran it.", lambda r: r.model and r.model.engine),
    _c("revision", _TEXT, "The model's revision, if known.", lambda r: r.model and r.model.revision),
    _c("pool", _TEXT, "The predictor pool.", lambda r: r.model and r.model.pool),
    _c("region", _TEXT, "Where that is.", lambda r: r.model and r.model.region),
    _c("route_reason", _TEXT, "Why that pool.", lambda r: r.model and r.model.reason),
    _c("attempts", _INT, "Servers that were asked.", lambda r: r.model and r.model.attempts),
    _c(
        "allowed_regions",
        _TEXTS,
        "Regions that residency left; null: any.",
        lambda r: r.model and r.model.allowed_regions,
    ),
    _c("max_tokens", _INT, "Sampling.", lambda r: r.sampling.max_tokens),
    _c("temperature", _FLOAT, "Sampling.", lambda r: r.sampling.temperature),
    _c("top_p", _FLOAT, "Sampling.", lambda r: r.sampling.top_p),
    _c("stop", _TEXTS, "Sampling.", lambda r: list(r.sampling.stop)),
    _c("seed", _INT, "Sampling.", lambda r: r.sampling.seed),
    _c("json_schema", _TEXT, "What the answer had to be, as JSON.", lambda r: r.sampling.json_schema),
    _c("answer", _TEXT, "The answer as far as it came.", lambda r: r.answer.text),
    _c("answer_chars", _INT, "Its length.", lambda r: r.answer.chars),
    _c(
        "citations",
        "STRUCT(number BIGINT, chunk_id VARCHAR, start_char BIGINT, end_char BIGINT)[]",
        "`[number]` in the answer, and the span of the passage that supports it.",
        lambda r: [
            {"number": c.number, "chunk_id": c.chunk_id, "start_char": c.start, "end_char": c.end}
            for c in r.answer.citations
        ],
    ),
    _c("finish_reason", _TEXT, "stop or length; null: it did not come to an end.", lambda r: r.answer.finish_reason),
    _c("prompt_tokens", _INT, "By the model's count.", lambda r: r.answer.prompt_tokens),
    _c("completion_tokens", _INT, "By the model's count.", lambda r: r.answer.completion_tokens),
    _c("cost", _FLOAT, "In the currency of the configured prices.", lambda r: r.answer.cost),
    _c("cached", "BOOLEAN", "Whether it was answered from the cache.", lambda r: r.answer.cached),
    _c("duration_s", _FLOAT, "From arrival to the end, seconds.", lambda r: r.timing.duration_s),
    _c(
        "first_token_s",
        _FLOAT,
        "From arrival to the first text, seconds; null: none came.",
        lambda r: r.timing.first_token_s,
    ),
    _c(
        "stages",
        "STRUCT(name VARCHAR, began_s DOUBLE, took_s DOUBLE)[]",
        "The steps, in seconds since arrival.",
        lambda r: [asdict(stage) for stage in r.timing.stages],
    ),
    _c("trace_id", _TEXT, "The trace, 32 hex digits.", lambda r: r.trace and r.trace.trace_id),
    _c("span_id", _TEXT, "The request's span.", lambda r: r.trace and r.trace.span_id),
    _c("parent_id", _TEXT, "The client's span.", lambda r: r.trace and r.trace.parent_id),
    _c("sampled", "BOOLEAN", "Whether the client's trace is sampled.", lambda r: r.trace and r.trace.sampled),
    _c("error_code", _TEXT, "Why there is no whole answer.", lambda r: r.error and r.error.code),
    _c("error_message", _TEXT, "The same in words.", lambda r: r.error and r.error.message),
    _c("error_stage", _TEXT, "How far it had come.", lambda r: r.error and r.error.stage),
    _c("degraded", _TEXTS, "What was left out.", lambda r: list(r.degraded)),
    _c("release", _TEXT, "The release that answered.", lambda r: r.release),
    _c("redacted", "MAP(VARCHAR, BIGINT)", "What was taken out of the texts, by kind.", lambda r: r.redacted),
    _c("scores", "MAP(VARCHAR, DOUBLE)", "Measures of the answer's quality, by name.", lambda r: r.scores),
    _c("record_schema", _INT, "The version of this shape.", lambda r: r.schema),
)


def row(record: AnswerRecord) -> dict[str, Any]:
    """One row, of what JSON can say."""
    return {column.name: column.value(record) for column in COLUMNS}
