"""Questions answered from documents, over OpenAI's chat completions."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson
from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from tandem.http.answer_stream import AnswerStream
from tandem.http.answering import AnswerMeter, Answers
from tandem.http.direct import DirectRouter
from tandem.http.exchange import Exchange, exchange_of
from tandem.http.json_route import JsonRoute
from tandem.http.permissions import check_collection
from tandem.http.presence import while_wanted
from tandem.http.reply import json_reply
from tandem.http.wire.chat_answer import ChatCompletion, Stamp, whole_answer
from tandem.http.wire.chat_request import ChatRequest
from tandem.http.wire.errors import BEHIND, faults
from tandem.pipeline.whole import whole
from tandem.ports.clock import Clock

ALIAS = "tandem"
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ChatCompletion,
        "description": "The answer; with stream: true as server-sent events of chat.completion.chunk objects.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def chat_router(
    answering: Answers,
    *,
    collection: str,
    clock: Clock,
    meter: AnswerMeter,
    keep_alive_s: float = 15.0,
    new_id: Callable[[], str] = lambda: uuid4().hex,
) -> DirectRouter:
    """`collection` is asked when a request names none."""
    router = DirectRouter(tags=["chat"], route_class=JsonRoute)
    path = "/v1/chat/completions"

    async def answer(body: ChatRequest, exchange: Exchange, receive: Receive) -> Response:
        question = body.question(collection, alias=ALIAS)
        if exchange.person and question.user is None:
            # Whoever asks for itself can have its answers handed out and deleted, as users of others can.
            question = replace(question, user=exchange.caller)
        stamp = Stamp(new_id(), int(clock.epoch_s()))
        context = exchange.context(stamp.receipt)
        if body.stream:
            usage = bool(body.stream_options and body.stream_options.include_usage)
            return AnswerStream(
                answering.answer(question, context),
                stamp=stamp,
                usage=usage,
                clock=clock,
                meter=meter,
                keep_alive_s=keep_alive_s,
            )
        left_s = None if context.deadline_s is None else context.deadline_s - clock.monotonic_s()
        found, text, end = await while_wanted(
            whole(answering, question, context), receive, left_s=left_s, stage="answering"
        )
        meter.answered(end.outcome)
        return json_reply(whole_answer(stamp, found, text, end))

    @router.post(path, responses=_STREAM | faults(403, 404, 409, 415, *BEHIND), summary="Ask a question")
    async def complete(body: ChatRequest, request: Request) -> Response:
        check_collection(body.named, request.scope)
        return await answer(body, exchange_of(request.scope), request.receive)

    async def lane(body: bytes, scope: Scope, receive: Receive) -> Response | None:
        try:
            asked = ChatRequest.model_validate(orjson.loads(body))
        except ValueError:
            return None
        check_collection(asked.named, scope)
        return await answer(asked, exchange_of(scope), receive)

    router.lanes["POST", path] = lane
    return router
