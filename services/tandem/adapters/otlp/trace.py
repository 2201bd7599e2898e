"""A record as a trace: the request's span, those of its stages below it, and what was measured of the answer as events."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from tandem.adapters.otlp import openinference
from tandem.adapters.otlp.attributes import GEN_AI, OURS, WORKFLOW, Of, attributes, by_span
from tandem.adapters.otlp.span import Attribute, Kind, LogEvent, Span, SpanEvent
from tandem.domain.passage import StageTime
from tandem.domain.record import AnswerRecord
from tandem.domain.span import SpanContext

EVALUATION = "gen_ai.evaluation.result"
DETAILS = "gen_ai.client.inference.operation.details"
# Whoever was refused by policy, or left, is no fault of ours; the span's `error.type` tells of it all the same.
_FAULTS = ("failed", "refused")
_ROWS = {False: by_span(*GEN_AI, *OURS), True: by_span(*GEN_AI, *OURS, *openinference.ROWS)}
_OUTER = ("queue", "retrieval", "generation")


@dataclass(frozen=True, slots=True)
class Tracing:
    """How records become traces. `inner_stages`: steps of retrieval always; else only where the trace is not sampled, since
    of one that is a retriever that is a peer tells itself.

    `openinference`: the few attributes of that convention as well.
    `events`: where scores are told, on the request's span or as events of their own, then with all of the model's call.
    """

    inner_stages: bool = True
    openinference: bool = True
    separate_events: bool = False

    def spans(self, record: AnswerRecord) -> tuple[Span, ...]:
        """The request's own span first. The same record makes the same ids, so that one that comes again is known."""
        return tuple(self._spans(record))

    def events(self, record: AnswerRecord) -> tuple[LogEvent, ...]:
        """Those that stand by themselves; none, where they are on the request's span."""
        if not self.separate_events:
            return ()
        root, at_ns = context(record), _end_ns(record)
        scores = [LogEvent(root.trace_id, root.span_id, EVALUATION, at_ns, told) for told in _scores(record)]
        if not any(stage.name == "generation" for stage in record.timing.stages):
            return tuple(scores)
        told = attributes(_ROWS[False]["chat"], record)
        return (LogEvent(root.trace_id, root.child("chat").span_id, DETAILS, at_ns, told), *scores)

    def _spans(self, record: AnswerRecord) -> Iterator[Span]:
        root = context(record)
        end_ns = _end_ns(record)
        scores = () if self.separate_events else tuple(SpanEvent(EVALUATION, end_ns, told) for told in _scores(record))
        yield Span(
            root.trace_id,
            root.span_id,
            root.parent_id,
            f"invoke_workflow {WORKFLOW}",
            _ns(record.timing.began_at),
            end_ns,
            "server" if record.mode == "online" else "internal",
            attributes(_ROWS[self.openinference]["request"], record),
            scores,
            _said(record) if record.outcome in _FAULTS else None,
            root.sampled,
        )
        seen: dict[str, int] = {}
        told_elsewhere = not self.inner_stages and root.sampled
        for stage in record.timing.stages:
            inner = stage.name not in _OUTER
            if inner and told_elsewhere:
                continue
            seen[stage.name] = nth = seen.get(stage.name, 0) + 1
            yield self._stage(record, root, stage, nth, inner)

    def _stage(self, record: AnswerRecord, root: SpanContext, stage: StageTime, nth: int, inner: bool) -> Span:
        name, of, kind = _named(record, stage)
        step = "chat" if stage.name == "generation" else stage.name
        parent = root.child("retrieval") if inner else root
        place = parent.child(step if nth == 1 else f"{step}/{nth}")
        began_ns = _ns(record.timing.began_at) + _ns(max(stage.began_s, 0.0))
        told = attributes(_ROWS[self.openinference][of], record) if of else self._plain(record, stage)
        failed = record.error is not None and record.error.stage == stage.name
        if failed and record.error is not None:
            told = {**told, "error.type": record.error.code}
        return Span(
            place.trace_id,
            place.span_id,
            place.parent_id,
            name,
            began_ns,
            began_ns + _ns(max(stage.took_s, 0.0)),
            kind,
            told,
            error=_said(record) if failed and record.outcome in _FAULTS else None,
            sampled=root.sampled,
        )

    def _plain(self, record: AnswerRecord, stage: StageTime) -> dict[str, Attribute]:
        """A stage that no convention knows."""
        told: dict[str, Attribute] = {"tandem.stage": stage.name}
        if self.openinference:
            told["openinference.span.kind"] = "RERANKER" if stage.name == "rerank" else "CHAIN"
        if stage.name == "rerank":
            told["gen_ai.request.model"] = record.retrieval.reranker
        return told


def context(record: AnswerRecord) -> SpanContext:
    """The request's place in its trace; one that follows from its id, where none was recorded."""
    trace = record.trace
    if trace is not None:
        return SpanContext(trace.trace_id, trace.span_id, trace.parent_id, trace.sampled)
    made = blake2b(record.id.encode("utf-8", "replace"), digest_size=24).hexdigest()
    return SpanContext(made[:32], made[32:])


def _named(record: AnswerRecord, stage: StageTime) -> tuple[str, Of | None, Kind]:
    if stage.name == "retrieval":
        return f"retrieval {record.retrieval.collection or record.retrieval.asked}", "retrieval", "client"
    if stage.name == "generation":
        model = record.model.id if record.model is not None else ""
        return f"chat {model}".rstrip(), "chat", "client"
    if stage.name == "embed":
        return f"embeddings {record.retrieval.embedder}".rstrip(), "embed", "client"
    return stage.name, None, "internal"


def _scores(record: AnswerRecord) -> Iterator[dict[str, Attribute]]:
    for name, value in record.scores.items():
        yield {
            "gen_ai.evaluation.name": name,
            "gen_ai.evaluation.score.value": float(value),
            "gen_ai.response.id": record.id,
        }


def _said(record: AnswerRecord) -> str:
    return "" if record.error is None else record.error.message or record.error.code


def _end_ns(record: AnswerRecord) -> int:
    return _ns(record.timing.began_at) + _ns(max(record.timing.duration_s, 0.0))


def _ns(seconds: float) -> int:
    # A float holds microseconds since 1970, no less.
    return round(seconds * 1e6) * 1_000
