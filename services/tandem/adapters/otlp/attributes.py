"""Which attribute of a span says what of a record: OpenTelemetry's GenAI conventions, and names of our own for the rest.

The page docs/record-sinks.md is made from these rows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from tandem.adapters.otlp.content import answer, asked, documents, instructions, model_messages
from tandem.adapters.otlp.span import Attribute
from tandem.domain.record import AnswerRecord, RecordedModel

# The whole request, what retrieval found, what the model was asked, and the embedding of the question.
Of = Literal["request", "retrieval", "chat", "embed"]
WORKFLOW = "rag"


@dataclass(frozen=True, slots=True)
class Row:
    """`key` stands on the span `of`; `field` is where in the record it comes from, for people."""

    of: Of
    key: str
    field: str
    value: Callable[[AnswerRecord], Attribute]


def by_span(*rows: Row) -> dict[Of, tuple[Row, ...]]:
    """The rows of each span."""
    return {of: tuple(row for row in rows if row.of == of) for of in get_args(Of)}


def attributes(rows: Iterable[Row], record: AnswerRecord) -> dict[str, Attribute]:
    """What is known of one span; the unknown is left out."""
    told = ((row.key, row.value(record)) for row in rows)
    return {key: value for key, value in told if value is not None}


def _model(record: AnswerRecord, told: Callable[[RecordedModel], Attribute]) -> Attribute:
    return None if record.model is None else told(record.model)


def _prompt(record: AnswerRecord, part: int) -> str | None:
    if record.prompt is None:
        return None
    return (*record.prompt.template.split("@", 1), "")[part] or None


def _first_chunk_s(record: AnswerRecord) -> float | None:
    began_s = next((stage.began_s for stage in record.timing.stages if stage.name == "generation"), None)
    first_s = record.timing.first_token_s
    return None if began_s is None or first_s is None else max(first_s - began_s, 0.0)


def _or_none(value: int) -> int | None:
    return value or None


GEN_AI: tuple[Row, ...] = (
    Row("request", "gen_ai.operation.name", "`invoke_workflow`", lambda _: "invoke_workflow"),
    Row("request", "gen_ai.workflow.name", "`rag`", lambda _: WORKFLOW),
    Row("request", "gen_ai.response.id", "id", lambda r: r.id),
    Row("request", "gen_ai.input.messages", "question: the conversation and the text", asked),
    Row("request", "gen_ai.output.messages", "answer.text", answer),
    Row("request", "user.id", "asker.user", lambda r: r.asker.user),
    Row("request", "error.type", "error.code", lambda r: None if r.error is None else r.error.code),
    Row("retrieval", "gen_ai.operation.name", "`retrieval`", lambda _: "retrieval"),
    Row(
        "retrieval",
        "gen_ai.data_source.id",
        "retrieval.collection, else retrieval.asked",
        lambda r: r.retrieval.collection or r.retrieval.asked,
    ),
    Row("retrieval", "gen_ai.request.model", "retrieval.embedder", lambda r: r.retrieval.embedder or None),
    Row("retrieval", "gen_ai.retrieval.query.text", "question.standalone", lambda r: r.question.standalone),
    Row("retrieval", "gen_ai.retrieval.top_k", "retrieval.options.top_k", lambda r: r.retrieval.options.top_k),
    Row("retrieval", "gen_ai.retrieval.documents", "retrieval.passages", documents),
    Row("embed", "gen_ai.operation.name", "`embeddings`", lambda _: "embeddings"),
    Row("embed", "gen_ai.request.model", "retrieval.embedder", lambda r: r.retrieval.embedder or None),
    Row("chat", "gen_ai.operation.name", "`chat`", lambda _: "chat"),
    Row("chat", "gen_ai.provider.name", "model.engine", lambda r: _model(r, lambda m: m.engine.lower() or "tandem")),
    Row("chat", "gen_ai.request.model", "model.id", lambda r: _model(r, lambda m: m.id or None)),
    Row("chat", "gen_ai.response.model", "model.id", lambda r: _model(r, lambda m: m.id or None)),
    Row("chat", "gen_ai.response.id", "id", lambda r: r.id),
    Row("chat", "gen_ai.prompt.name", "prompt.template, before the @", lambda r: _prompt(r, 0)),
    Row("chat", "gen_ai.prompt.version", "prompt.template, after the @", lambda r: _prompt(r, 1)),
    Row("chat", "gen_ai.request.max_tokens", "sampling.max_tokens", lambda r: r.sampling.max_tokens),
    Row("chat", "gen_ai.request.temperature", "sampling.temperature", lambda r: _float(r.sampling.temperature)),
    Row("chat", "gen_ai.request.top_p", "sampling.top_p", lambda r: _float(r.sampling.top_p)),
    Row("chat", "gen_ai.request.stop_sequences", "sampling.stop", lambda r: r.sampling.stop or None),
    Row("chat", "gen_ai.request.seed", "sampling.seed", lambda r: r.sampling.seed),
    Row("chat", "gen_ai.output.type", "sampling.json_schema", lambda r: "json" if r.sampling.json_schema else "text"),
    Row(
        "chat",
        "gen_ai.response.finish_reasons",
        "answer.finish_reason",
        lambda r: None if r.answer.finish_reason is None else (r.answer.finish_reason,),
    ),
    Row(
        "chat", "gen_ai.response.time_to_first_chunk", "timing.first_token_s, since the model was asked", _first_chunk_s
    ),
    Row("chat", "gen_ai.usage.input_tokens", "answer.prompt_tokens", lambda r: _or_none(r.answer.prompt_tokens)),
    Row(
        "chat", "gen_ai.usage.output_tokens", "answer.completion_tokens", lambda r: _or_none(r.answer.completion_tokens)
    ),
    Row("chat", "gen_ai.system_instructions", "prompt.messages, the system's", instructions),
    Row("chat", "gen_ai.input.messages", "prompt.messages, all others", model_messages),
    Row("chat", "gen_ai.output.messages", "answer.text", answer),
)


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


OURS: tuple[Row, ...] = (
    Row("request", "tandem.receipt.id", "id", lambda r: r.id),
    Row("request", "tandem.request.id", "request_id", lambda r: r.request_id),
    Row("request", "tandem.mode", "mode", lambda r: r.mode),
    Row("request", "tandem.outcome", "outcome", lambda r: r.outcome),
    Row("request", "tandem.tenant", "asker.tenant", lambda r: r.asker.tenant),
    Row("request", "tandem.caller", "asker.caller", lambda r: r.asker.caller),
    Row("request", "tandem.question.chars", "question.chars", lambda r: r.question.chars),
    Row("request", "tandem.degraded", "degraded", lambda r: r.degraded or None),
    Row("request", "tandem.release", "release", lambda r: r.release or None),
    Row("request", "tandem.content", "content", lambda r: r.content),
    Row("request", "tandem.redacted", "redacted, all kinds together", lambda r: _or_none(sum(r.redacted.values()))),
    Row("request", "tandem.error.stage", "error.stage", lambda r: None if r.error is None else r.error.stage),
    Row("retrieval", "tandem.retrieval.collection", "retrieval.asked", lambda r: r.retrieval.asked),
    Row("retrieval", "tandem.retrieval.relevance", "retrieval.relevance", lambda r: _float(r.retrieval.relevance)),
    Row("retrieval", "tandem.retrieval.passages", "retrieval.passages, how many", lambda r: len(r.retrieval.passages)),
    Row("retrieval", "tandem.retrieval.suspicious", "retrieval.suspicious", lambda r: _or_none(r.retrieval.suspicious)),
    Row("retrieval", "tandem.retrieval.queries", "question.queries", lambda r: r.question.queries or None),
    Row("retrieval", "tandem.retrieval.sparse", "retrieval.sparse", lambda r: r.retrieval.sparse or None),
    Row("retrieval", "tandem.retrieval.reranker", "retrieval.reranker", lambda r: r.retrieval.reranker),
    Row("chat", "tandem.pool", "model.pool", lambda r: _model(r, lambda m: m.pool)),
    Row("chat", "tandem.region", "model.region", lambda r: _model(r, lambda m: m.region)),
    Row("chat", "tandem.route.reason", "model.reason", lambda r: _model(r, lambda m: m.reason)),
    Row("chat", "tandem.attempts", "model.attempts", lambda r: _model(r, lambda m: m.attempts)),
    Row("chat", "tandem.model.revision", "model.revision", lambda r: _model(r, lambda m: m.revision)),
    Row("chat", "tandem.model.dataset", "model.ancestry.dataset", lambda r: _model(r, lambda m: m.ancestry.dataset)),
    Row(
        "chat",
        "tandem.model.training_run",
        "model.ancestry.training_run",
        lambda r: _model(r, lambda m: m.ancestry.training_run),
    ),
    Row(
        "chat",
        "tandem.model.base_model",
        "model.ancestry.base_model",
        lambda r: _model(r, lambda m: m.ancestry.base_model),
    ),
    Row("chat", "tandem.cached", "answer.cached", lambda r: r.answer.cached),
    Row("chat", "gen_ai.usage.cost", "answer.cost", lambda r: r.answer.cost or None),
)
