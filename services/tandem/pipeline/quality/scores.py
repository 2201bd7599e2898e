"""Cheap measures of every answer, from its record alone: no model is asked, nothing is embedded.

Groundedness is a word-by-word relative of `pipeline/evaluation/support.py`: a statement is held against the window of the best
passage that holds most of its words. Its weights are a logistic regression's over the same labelled pairs; on the half that
it was not fitted on it agrees with people on 71 % (AUC .79), where the judge with embeddings agrees on 76 % (AUC .86), at a
two-hundredth of the time. One answer's figure says little; the share over many answers is what to watch.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from tandem.domain.record import AnswerRecord
from tandem.domain.text import sentences, stem_set, stems
from tandem.pipeline.answering import NO_TEMPLATE
from tandem.pipeline.evaluation.signals import names_lacking, numbers_lacking, one_denies, verbatim
from tandem.pipeline.evaluation.statements import Statement, statements

# In the order of `_signals`.
WEIGHTS = (1.93, -2.62, -1.36, -1.16)
INTERCEPT = -0.58
THRESHOLD = 0.5
MEASURES = ("relevance", "abstained", "citation_coverage", "groundedness", "language_match")
# Longer answers are judged by their beginning: the time that it takes has a bound.
_MOST_STATEMENTS = 12
# Enough to tell a language by.
_LANGUAGE_CHARS = 400
# Passages are looked at for each statement, and by one answer after the other. 3 MB.
_TEXTS_KEPT = 256

LanguageOf = Callable[[str], str | None]


class Scoring:
    """Puts the measures into a record that still has its texts. Any thread may call it."""

    def __init__(self, language_of: LanguageOf) -> None:
        self._language_of = language_of

    def __call__(self, record: AnswerRecord) -> AnswerRecord:
        """The record with what can be measured of it added to its scores."""
        found = dict(measured(record, self._language_of))
        return replace(record, scores={**record.scores, **found}) if found else record


def measured(record: AnswerRecord, language_of: LanguageOf) -> Iterator[tuple[str, float]]:
    """Name and value, 0…1; what cannot be told is left out.

    `relevance`: of the best passage; `abstained`: 1 when the documents did not tell; `citation_coverage`: share of the
    statements that name a passage; `groundedness`: share of them that the passages support; `language_match`: 1 when the
    answer is in the question's language.
    """
    if record.outcome not in ("answered", "abstained", "ungrounded"):
        return
    if record.prompt is not None and record.prompt.template == NO_TEMPLATE:
        # Nothing was searched: the model was passed through.
        return
    if record.retrieval.relevance is not None:
        yield "relevance", record.retrieval.relevance
        yield "abstained", float(record.outcome == "abstained")
    if record.outcome == "abstained" or not record.answer.text:
        return
    told = statements(record.answer.text)
    passages = [each.text for each in record.retrieval.passages if each.text]
    if told and passages:
        yield "citation_coverage", _covered(told, record)
        looked_at = told[:_MOST_STATEMENTS]
        yield "groundedness", sum(support(each.text, passages) >= THRESHOLD for each in looked_at) / len(looked_at)
    asked = language_of((record.question.text or "")[:_LANGUAGE_CHARS])
    answered = language_of(record.answer.text[:_LANGUAGE_CHARS])
    if asked and answered:
        yield "language_match", float(asked == answered)


def support(statement: str, passages: Sequence[str]) -> float:
    """0…1, how well the best of the passages supports the statement, by words alone."""
    wanted = frozenset(stems(statement))
    if not wanted or not passages:
        return 0.0
    best = max(passages, key=lambda text: len(wanted & stem_set(text)))
    if wanted <= stem_set(best) and verbatim(statement, best):
        return 1.0
    window, held = max(_windows(best), key=lambda each: len(wanted & each[1]), default=(best, stem_set(best)))
    signals = (
        len(wanted & held) / len(wanted),
        numbers_lacking(statement, window),
        names_lacking(statement, window),
        float(one_denies(statement, window)),
    )
    return 1 / (1 + math.exp(-(math.fsum(w * v for w, v in zip(WEIGHTS, signals, strict=True)) + INTERCEPT)))


@lru_cache(_TEXTS_KEPT)
def _windows(text: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Those of `signals.windows` with their stems; each word is taken apart once, and passages come again."""
    spans = list(sentences(text))
    held = [frozenset(stems(text[start:end])) for start, end in spans]
    found = []
    for index, (start, end) in enumerate(spans):
        found.append((text[start:end], held[index]))
        if index + 1 < len(spans):
            found.append((text[start : spans[index + 1][1]], held[index] | held[index + 1]))
    return tuple(found)


def _covered(told: Sequence[Statement], record: AnswerRecord) -> float:
    """An answer without marks cites as a whole, see `prompting/citations.py`: it is covered when it cites anything."""
    if not any(each.numbers for each in told):
        return float(bool(record.answer.citations))
    known = {each.number for each in record.answer.citations}
    return sum(not known.isdisjoint(each.numbers) for each in told) / len(told)
