"""An embedder whose questions are watched for drift: what is embedded anyway is counted, nothing more is embedded."""

from collections.abc import Sequence

from tandem.observe.metrics import Metrics
from tandem.pipeline.quality.drift import Questions
from tandem.ports.embedder import DenseVector, Embedder, EmbedderCard, EmbedKind


class WatchedQuestions:
    """`ports/embedder.py` around another one; changes nothing."""

    def __init__(self, inner: Embedder, questions: Questions) -> None:
        self._inner = inner
        self._questions = questions

    @property
    def card(self) -> EmbedderCard:
        """The inner embedder's."""
        return self._inner.card

    async def embed(self, texts: Sequence[str], kind: EmbedKind) -> list[DenseVector]:
        """The inner embedder's; of a question's wordings the first, its own, is what was asked."""
        vectors = await self._inner.embed(texts, kind)
        if kind == "query" and vectors:
            self._questions.asked(vectors[:1])
        return vectors

    def count_tokens(self, text: str) -> int:
        """The inner embedder's."""
        return self._inner.count_tokens(text)


def watch_drift(questions: Questions, metrics: Metrics) -> None:
    """The gauges are worked out when they are read."""
    metrics.question_drift.set_function(lambda: questions.drift().distance)
    metrics.question_drift_questions.labels("recent").set_function(lambda: questions.drift().recent)
    metrics.question_drift_questions.labels("before").set_function(lambda: questions.drift().before)
