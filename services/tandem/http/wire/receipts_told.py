"""From a record of an answer to the receipt on the wire."""

from tandem.domain.filters import Condition
from tandem.domain.question import Message, Sampling
from tandem.domain.record import RecordedModel, RecordedOptions, RecordedPassage
from tandem.http.wire import receipts as wire
from tandem.http.wire.cursors import cursor_text
from tandem.http.wire.feedback import wire_feedback
from tandem.http.wire.passages import wire_scores
from tandem.pipeline.receipts import Listing, Receipt


def wire_receipt(receipt: Receipt) -> wire.WireReceipt:
    """A receipt."""
    record = receipt.record
    asker, question, found, answer, timing = (
        record.asker,
        record.question,
        record.retrieval,
        record.answer,
        record.timing,
    )
    prompt, error, trace = record.prompt, record.error, record.trace
    return wire.WireReceipt(
        id=record.id,
        request_id=record.request_id,
        mode=record.mode,
        outcome=record.outcome,
        began_at=timing.began_at,
        texts=_texts(receipt),
        release=record.release,
        asker=wire.WireAsker(tenant=asker.tenant, caller=asker.caller, user=asker.user),
        question=wire.WireQuestion(
            text=question.text,
            chars=question.chars,
            conversation=_messages(question.conversation),
            standalone=question.standalone,
            queries=list(question.queries),
        ),
        retrieval=wire.WireReceiptRetrieval(
            asked=found.asked,
            collection=found.collection,
            embedder=found.embedder,
            sparse=found.sparse,
            reranker=found.reranker,
            relevance=found.relevance,
            suspicious=found.suspicious,
            options=_options(found.options),
            passages=[_passage(each) for each in found.passages],
        ),
        prompt=None
        if prompt is None
        else wire.WireReceiptPrompt(template=prompt.template, chars=prompt.chars, messages=_messages(prompt.messages)),
        model=None if record.model is None else _model(record.model),
        sampling=_sampling(record.sampling),
        answer=wire.WireReceiptAnswer(
            text=answer.text,
            chars=answer.chars,
            citations=[
                wire.WireReceiptCitation(number=each.number, chunk_id=each.chunk_id, start=each.start, end=each.end)
                for each in answer.citations
            ],
            finish_reason=answer.finish_reason,
            cached=answer.cached,
        ),
        usage=wire.WireReceiptUsage(
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            total_tokens=answer.prompt_tokens + answer.completion_tokens,
            cost=answer.cost,
        ),
        timing=wire.WireTiming(
            duration_s=timing.duration_s,
            first_token_s=timing.first_token_s,
            stages=[wire.WireStage(name=each.name, began_s=each.began_s, took_s=each.took_s) for each in timing.stages],
        ),
        degraded=list(record.degraded),
        error=None
        if error is None
        else wire.WireReceiptError(code=error.code, message=error.message, stage=error.stage),
        trace=None if trace is None else wire.WireReceiptTrace(trace_id=trace.trace_id, span_id=trace.span_id),
        scores=record.scores,
        redacted=record.redacted,
        feedback=[wire_feedback(each) for each in receipt.feedback],
    )


def wire_receipts(listing: Listing) -> wire.WireReceipts:
    """A page."""
    after = None if listing.next_after is None else cursor_text(listing.next_after.began_at, listing.next_after.id)
    return wire.WireReceipts(data=[_line(each) for each in listing.receipts], next_after=after)


def _line(receipt: Receipt) -> wire.WireReceiptLine:
    record = receipt.record
    answer = record.answer
    return wire.WireReceiptLine(
        id=record.id,
        began_at=record.timing.began_at,
        outcome=record.outcome,
        texts=_texts(receipt),
        caller=record.asker.caller,
        user=record.asker.user,
        question=record.question.text,
        collection=record.retrieval.collection or record.retrieval.asked,
        prompt=record.prompt.template if record.prompt else None,
        model=record.model.id if record.model else None,
        release=record.release,
        duration_s=record.timing.duration_s,
        first_token_s=record.timing.first_token_s,
        tokens=answer.prompt_tokens + answer.completion_tokens,
        cost=answer.cost,
    )


def _texts(receipt: Receipt) -> wire.Texts:
    if not receipt.record.content:
        return "not_kept"
    return "withheld" if receipt.withheld else "shown"


def _messages(messages: tuple[Message, ...]) -> list[wire.WireMessage]:
    return [wire.WireMessage(role=each.role, content=each.content) for each in messages]


def _passage(passage: RecordedPassage) -> wire.WireReceiptPassage:
    return wire.WireReceiptPassage(
        chunk_id=passage.chunk_id,
        document_id=passage.document_id,
        title=passage.title,
        source=passage.source,
        start=passage.start,
        end=passage.end,
        page=passage.page,
        scores=wire_scores(passage.scores),
        flags=list(passage.flags),
        text=passage.text,
    )


def _options(said: RecordedOptions) -> wire.WireReceiptOptions:
    return wire.WireReceiptOptions(
        top_k=said.top_k,
        rerank=said.rerank,
        expand=said.expand,
        self_query=said.self_query,
        neighbours=said.neighbours,
        diversity=said.diversity,
        filters={each.field: _condition(each) for each in said.filters} or None,
    )


def _condition(condition: Condition) -> list[str] | dict[str, float]:
    if condition.any_of:
        return list(condition.any_of)
    bounds = {"gte": condition.at_least, "lte": condition.at_most}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _model(model: RecordedModel) -> wire.WireReceiptModel:
    return wire.WireReceiptModel(
        id=model.id,
        revision=model.revision,
        engine=model.engine,
        pool=model.pool,
        region=model.region,
        reason=model.reason,
        attempts=model.attempts,
        allowed_regions=None if model.allowed_regions is None else list(model.allowed_regions),
        dataset=model.ancestry.dataset,
        training_run=model.ancestry.training_run,
        base_model=model.ancestry.base_model,
    )


def _sampling(sampling: Sampling) -> wire.WireSampling:
    return wire.WireSampling(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=sampling.seed,
        stop=list(sampling.stop),
        json_schema=sampling.json_schema,
    )
