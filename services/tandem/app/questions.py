"""The questions of this process, watched for drift and kept through a restart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tandem.app.beside import beside
from tandem.app.clock import SystemClock
from tandem.app.parts import Watching, unwatched
from tandem.app.settings import Settings
from tandem.observe.metrics import Metrics
from tandem.ports.embedder import Embedder

if TYPE_CHECKING:
    from tandem.adapters.questions.file import QuestionFile
    from tandem.pipeline.quality.drift import Questions

# What a killed process forgets.
_SAVE_EVERY_S = 600.0


@asynccontextmanager
async def watched_questions(settings: Settings, metrics: Metrics) -> AsyncIterator[Watching]:
    """Puts what watches before the embedder of a retrieval, when the settings want it; saves now and then, and at the end."""
    if not settings.quality.drift:
        yield unwatched
        return
    kept: list[tuple[QuestionFile, Questions]] = []

    def watching(embedder: Embedder) -> Embedder:
        # Only who embeds needs numpy.
        from tandem.adapters.questions.file import QuestionFile
        from tandem.observe.questions import WatchedQuestions, watch_drift
        from tandem.pipeline.quality.drift import Questions

        file = QuestionFile(settings.data_dir / "questions.npz", embedder.card.name)
        questions = Questions(SystemClock(), file.load())
        kept.append((file, questions))
        watch_drift(questions, metrics)
        return WatchedQuestions(embedder, questions)

    async def now_and_then() -> None:
        while True:
            await asyncio.sleep(_SAVE_EVERY_S)
            await save()

    async def save() -> None:
        for file, questions in kept:
            if questions.hours:
                await asyncio.to_thread(file.save, dict(questions.hours))

    async with beside([now_and_then()]):
        yield watching
    await save()
