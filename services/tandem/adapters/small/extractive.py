"""No language model: the answer is the passages' best-supported sentences, word for word, each cited."""

import asyncio
import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tandem.adapters.small.permits import Permits
from tandem.adapters.small.quotes import quotable
from tandem.domain.context import RequestContext
from tandem.domain.errors import ContextTooLong, DeadlineExceeded
from tandem.domain.generation import Finished, GenerationEvent, ModelCard, Prompt, Token, Usage
from tandem.domain.question import Message, Sampling
from tandem.domain.text import stems, words
from tandem.ports.clock import Clock
from tandem.ports.embedder import Embedder
from tandem.ports.engine import EngineLimits, EngineLoad, TextToken
from tandem.prompting.fences import Fenced, FencedPassage, unfence
from tandem.retrieval.suspicion import flags_of

_PIECE = re.compile(r"\s*\S+|\s+$")
# Words of the question outweigh its meaning: among a passage's own sentences all are about the same thing.
_OVERLAP = 1.2
# A second sentence is added when it is nearly as good, or holds what the first lacks.
_SECOND = 0.75
_SENTENCES = 2
_MOST_SENTENCES = 120
# A shorter question may well stand in a sentence that answers it.
_REPEATED_WORDS = 4


@dataclass(frozen=True, slots=True)
class _Sentence:
    number: int
    title: str
    text: str


class ExtractiveEngine:
    """`ports/engine.py` that quotes: sentence score = cosine to the question + share of its words, rare ones counting more.

    Measured on XQuAD-en by `scripts/bench answers`.
    """

    def __init__(self, embedder: Embedder, limits: EngineLimits, clock: Clock) -> None:
        self._embedder = embedder
        self._limits = limits
        self._clock = clock
        self._permits = Permits(limits)

    @property
    def limits(self) -> EngineLimits:
        """What it was opened with."""
        return self._limits

    @property
    def load(self) -> EngineLoad:
        """What it is doing."""
        return self._permits.load

    async def card(self) -> ModelCard:
        """Named as what it is."""
        return ModelCard("extractive", "extractive", self._limits.max_total_tokens, f"1+{self._embedder.card.name}")

    @asynccontextmanager
    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """From the fences of the last user message."""
        last = next((message.content for message in reversed(prompt.messages) if message.role == "user"), "")
        async with self.complete(last, sampling, context) as events:
            yield events

    @asynccontextmanager
    async def complete(
        self, text: str, sampling: Sampling, context: RequestContext
    ) -> AsyncIterator[AsyncIterator[GenerationEvent]]:
        """From the fences of the text; without any, its last paragraph is the question and the rest what to quote."""
        prompt_tokens = self._embedder.count_tokens(text)
        if prompt_tokens >= self._limits.max_total_tokens:
            raise ContextTooLong(
                f"The prompt has {prompt_tokens} tokens; {self._limits.max_total_tokens} are the limit.",
                hint="Ask for fewer passages (tandem.top_k), or raise predictor.context_tokens.",
            )
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._left_s(context)):
                    await held.enter_async_context(self._permits.slot(prompt_tokens))
                    answer = await self._answer(unfence(text) or _unfenced(text))
            except TimeoutError as error:
                raise DeadlineExceeded("generation") from error
            yield _told(answer, sampling, prompt_tokens)

    async def tokenize(self, text: str) -> list[TextToken]:
        """Words with the white space before them: what this engine streams."""
        return [TextToken(index, match[0], *match.span()) for index, match in enumerate(_PIECE.finditer(text))]

    async def template(self, messages: tuple[Message, ...]) -> str:
        """The messages one after the other: no model, no special tokens."""
        return "\n\n".join(message.content for message in messages)

    async def _answer(self, fenced: Fenced) -> str:
        every = list(_candidates(fenced))
        # What speaks to the model is no answer to a reader.
        candidates = [each for each in every if not flags_of(each.text)] or every
        if not candidates or not fenced.question.strip():
            return ""
        (wanted,) = await self._embedder.embed([fenced.question], "query")
        found = await self._embedder.embed([f"{each.title}. {each.text}" for each in candidates], "document")
        cosines = [math.fsum(a * b for a, b in zip(wanted, vector, strict=True)) for vector in found]
        overlaps = _overlaps(fenced.question, candidates)
        scores = [cosine + _OVERLAP * overlap for cosine, overlap in zip(cosines, overlaps, strict=True)]
        best = sorted(range(len(candidates)), key=lambda index: (-scores[index], index))[:_SENTENCES]
        chosen = [index for index in best if scores[index] >= _SECOND * scores[best[0]]]
        quotes = (_cited(candidates[index]) for index in chosen)
        # Code ends with an empty line of its own.
        return " ".join(quotes).replace("\n\n ", "\n\n").strip()

    def _left_s(self, context: RequestContext) -> float | None:
        return None if context.deadline_s is None else max(0.0, context.deadline_s - self._clock.monotonic_s())


def _unfenced(text: str) -> Fenced:
    body, _, question = text.strip().rpartition("\n\n")
    return Fenced((FencedPassage(1, "", body),), question)


def _candidates(fenced: Fenced) -> Iterator[_Sentence]:
    """What can be quoted of all passages, each once (neighbouring passages overlap), and not what repeats the question."""
    seen: set[str] = set()
    asked = " ".join(words(fenced.question))
    for passage in fenced.passages:
        for text in quotable(passage.text):
            key = " ".join(words(text))
            repeats = bool(asked) and asked in key and len(asked.split()) >= _REPEATED_WORDS
            if len(seen) < _MOST_SENTENCES and key not in seen and not repeats:
                seen.add(key)
                yield _Sentence(passage.number, passage.title, text)


def _overlaps(question: str, candidates: Sequence[_Sentence]) -> list[float]:
    """For each sentence the share, 0…1, of the question's words that it holds, weighed by their rarity among them."""
    held = [set(stems(each.text)) for each in candidates]
    titled = [words | set(stems(each.title)) for each, words in zip(candidates, held, strict=True)]
    seen = Counter(stem for words in held for stem in words)
    weights = {stem: math.log(1 + len(candidates) / (1 + seen[stem])) for stem in stems(question)}
    total = sum(weights.values()) or 1.0
    return [
        (
            sum(weight for stem, weight in weights.items() if stem in words)
            + 0.5 * sum(weight for stem, weight in weights.items() if stem in wider - words)
        )
        / total
        for words, wider in zip(held, titled, strict=True)
    ]


def _cited(sentence: _Sentence) -> str:
    """The mark goes before a block of code, behind anything else."""
    lead, code, block = sentence.text.partition("\n\n```")
    return f"{lead} [{sentence.number}]{code}{block}" if code else f"{sentence.text} [{sentence.number}]"


async def _told(answer: str, sampling: Sampling, prompt_tokens: int) -> AsyncIterator[GenerationEvent]:
    """Word by word, until a stop sequence or the most tokens."""
    found = min(((answer.find(stop), stop) for stop in sampling.stop if stop and stop in answer), default=None)
    cut, stopped_by = found or (len(answer), None)
    pieces = [match[0] for match in _PIECE.finditer(answer[:cut])]
    most = len(pieces) if sampling.max_tokens is None else sampling.max_tokens
    for piece in pieces[:most]:
        yield Token(piece)
        # Others get their turn, and a reader who left is noticed.
        await asyncio.sleep(0)
    usage = Usage(prompt_tokens, min(most, len(pieces)))
    yield Finished("length", usage) if most < len(pieces) else Finished("stop", usage, stopped_by)


@asynccontextmanager
async def extractive_engine(
    embedder: Embedder, *, context_tokens: int, parallel: int, max_concurrent_requests: int, clock: Clock
) -> AsyncIterator[ExtractiveEngine]:
    """Quoting over `embedder`; holds nothing of its own."""
    yield ExtractiveEngine(embedder, EngineLimits(context_tokens, max_concurrent_requests, parallel), clock)
