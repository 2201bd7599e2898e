"""What `tandem eval` measures: the pipeline that the settings describe, in this process, or a running Tandem."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tandem.app import parts, pools
from tandem.app.clock import SystemClock
from tandem.app.settings import Settings
from tandem.app.surface import VERSION, surface
from tandem.app.wording import rewording
from tandem.domain.question import RetrievalOptions
from tandem.http.lifecycle import Lifecycle
from tandem.observe.generator import MeasuredGenerator
from tandem.observe.traffic import TrafficMetrics
from tandem.pipeline.evaluation.asking import Serve, retrieval_alone, with_answer
from tandem.pipeline.evaluation.remembering import Remembering
from tandem.pipeline.evaluation.support import WordsAndMeaning
from tandem.pipeline.evaluation.whole import WholeAnswers
from tandem.pipeline.reworded import Reworded
from tandem.ports.embedder import Embedder
from tandem.ports.generator import Generator
from tandem.ports.ingestor import Ingestor
from tandem.ports.judge import Judge
from tandem.ports.retriever import Retriever

__all__ = ["VERSION", "Subject", "local_subject", "remote_subject"]
_TARGET = "eval"


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything that an evaluation asks, opened."""

    retriever: Retriever
    ingestor: Ingestor
    serve: Serve
    judge: Judge


@asynccontextmanager
async def local_subject(settings: Settings, *, answers: bool) -> AsyncIterator[Subject]:
    """The pipeline of the settings; its model is opened only for `answers`, and where it words questions."""
    async with parts.shared(_remembering(settings)) as dense, parts.features(settings, dense) as (finder, ingestor):
        judge = WordsAndMeaning(await dense())
        wording = rewording(settings, SystemClock())
        if not answers and not wording.stages((), RetrievalOptions()):
            yield Subject(finder, ingestor, retrieval_alone(finder), judge)
            return
        async with surface(settings, Lifecycle(), _TARGET) as front:

            def measured(model: Generator) -> Generator:
                return MeasuredGenerator(model, front.metrics)

            async with pools.dispatch(settings, dense, TrafficMetrics(front.metrics), measured) as dispatch:
                retriever = Reworded(finder, wording, dispatch)
                whole = WholeAnswers(front.answering(finder, dispatch), SystemClock())
                serve = with_answer(whole, retriever) if answers else retrieval_alone(retriever)
                yield Subject(retriever, ingestor, serve, judge)


@asynccontextmanager
async def remote_subject(settings: Settings, url: str, api_key: str | None, *, answers: bool) -> AsyncIterator[Subject]:
    """The Tandem at `url`. The settings only say with which embedder its answers are judged, and how long to wait."""
    from tandem.adapters.remote.answerer import remote_answerer
    from tandem.adapters.remote.ingestor import remote_ingestor
    from tandem.adapters.remote.retriever import remote_retriever

    timeout_s = settings.retriever.timeout_s
    async with (
        parts.embedder(settings) as dense,
        remote_retriever(url, api_key=api_key, timeout_s=timeout_s, as_peer=False) as retriever,
        remote_ingestor(url, api_key=api_key, timeout_s=timeout_s, as_peer=False) as ingestor,
        remote_answerer(url, api_key=api_key) as answerer,
    ):
        serve = with_answer(answerer, retriever) if answers else retrieval_alone(retriever)
        yield Subject(retriever, ingestor, serve, WordsAndMeaning(dense))


@asynccontextmanager
async def _remembering(settings: Settings) -> AsyncIterator[Embedder]:
    async with parts.embedder(settings) as dense:
        yield Remembering(dense)
