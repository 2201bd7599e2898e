"""Questions of streams as a part of a process: taken, answered, and put where they belong."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

from tandem.app.beside import beside
from tandem.app.clock import SystemClock
from tandem.app.settings import Settings
from tandem.app.streams import QuestionStream
from tandem.domain.errors import ConfigurationError
from tandem.http.routers.chat import ALIAS
from tandem.http.wire.jobs import completion_of
from tandem.http.wire.streamed import question_in, refusal_of
from tandem.observe.metrics import Metrics
from tandem.observe.streams import StreamMetrics
from tandem.pipeline.answering import Answering
from tandem.pipeline.attempts import AttemptPolicy
from tandem.pipeline.streams.attempt import Asker, Attempting
from tandem.pipeline.streams.running import AnsweredStream
from tandem.ports import question_stream as port


@asynccontextmanager
async def asked_by_streams(
    settings: Settings, answering: Answering, metrics: Metrics, welcome: Callable[[], bool]
) -> AsyncIterator[None]:
    """New questions are begun while they are `welcome`. Left, those without an answer are others' to answer."""
    streams = [_answered(settings, each, answering, metrics, welcome) for each in settings.questions]
    async with beside([each.run() for each in streams]):
        yield


def _answered(
    settings: Settings, chosen: QuestionStream, answering: Answering, metrics: Metrics, welcome: Callable[[], bool]
) -> AnsweredStream:
    attempting = Attempting(
        answering,
        partial(
            question_in,
            collection=chosen.collection or settings.retrieval.collection,
            alias=ALIAS,
            most_bytes=settings.server.max_body_bytes,
        ),
        completion_of,
        refusal_of,
        Asker(chosen.name, chosen.tenant, chosen.groups),
        SystemClock(),
        AttemptPolicy(most=chosen.max_attempts, timeout_s=chosen.timeout_s),
        StreamMetrics(metrics, chosen.name),
        # Jitter needs no secrecy.
        random.random,
        lambda: uuid4().hex,
    )
    return AnsweredStream(_stream(chosen), attempting, concurrency=chosen.concurrency, welcome=welcome)


def _stream(chosen: QuestionStream) -> port.QuestionStream:
    try:
        from tandem.adapters.sources.kafka_partition import Targets
        from tandem.adapters.sources.kafka_questions import KafkaQuestions
    except ModuleNotFoundError as error:
        raise ConfigurationError("questions needs aiokafka.", hint="pip install 'tandem-rag[kafka]'") from error

    return KafkaQuestions(chosen.parsed, Targets(chosen.answers, chosen.dead_letters))
