"""What is measured of a candidate, and of what it is held against, on its way to the store."""

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator

from tandem.domain.errors import Overloaded
from tandem.domain.feedback import Feedback
from tandem.domain.record import AnswerRecord
from tandem.domain.release import BASE, Arm, Book, Measure, Release, Tallies, Tally
from tandem.pipeline.releases.splitting import opens

# What is asked again and again by the same person is one conversation's worth of evidence.
_REMEMBERED = 50_000
_ANSWERED = frozenset({"answered", "abstained", "ungrounded"})
# No fault of a release: somebody used up a quota, or was let in nowhere.
_NOT_ITS_FAULT = frozenset({"rate_limit_exceeded", "residency_refused", "preempted"})
_SCORES: tuple[Measure, ...] = ("abstained", "groundedness", "citation_coverage")
_SHORTEST_S = 0.001


class Evidence:
    """Sums of what came since they were taken. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._candidate: Release | None = None
        self._control = BASE
        self._tallies: dict[tuple[Arm, Measure], Tally] = {}
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def watch(self, book: Book) -> None:
        """From now on it is about this candidate. What is left of another one is forgotten."""
        serving, candidate = book.serving, book.candidate
        with self._lock:
            if candidate is None or self._candidate is None or candidate.name != self._candidate.name:
                self._tallies, self._seen = {}, OrderedDict()
            self._candidate = candidate
            self._control = BASE if serving is None else serving.name

    def __call__(self, record: AnswerRecord) -> AnswerRecord:
        """The record as it is: `pipeline/monitoring.py`'s step behind those that score it, before its texts are gone."""
        if record.release and record.mode == "online":
            self._take(record, record.release)
        return record

    def shadowed(self, record: AnswerRecord) -> None:
        """What a candidate answered for nobody to see."""
        self._take(record, record.release)

    def heard(self, record: AnswerRecord, feedback: Feedback) -> None:
        """Somebody's first opinion of an answer."""
        with self._lock:
            arm, candidate = self._arm(record.release), self._candidate
            if (
                arm is not None
                and candidate is not None
                and record.mode == "online"
                and candidate.covers(record.retrieval.asked)
                # An opinion of what serves may come months after the answer, of a time nobody compares with.
                and record.timing.began_at >= candidate.created_at
            ):
                self._add(arm, "feedback", feedback.rating)

    def taken(self) -> tuple[str, Tallies]:
        """The candidate's name and the sums, which begin anew."""
        with self._lock:
            name = "" if self._candidate is None else self._candidate.name
            tallies, self._tallies = self._tallies, {}
            return name, tallies

    def back(self, release: str, tallies: Tallies) -> None:
        """They could not be put away."""
        with self._lock:
            if self._candidate is not None and self._candidate.name == release:
                for key, tally in tallies.items():
                    self._tallies[key] = self._tallies.get(key, Tally()) + tally

    def _take(self, record: AnswerRecord, release: str) -> None:
        with self._lock:
            arm, candidate = self._arm(release), self._candidate
            if (
                arm is None
                or candidate is None
                or not candidate.covers(record.retrieval.asked)
                or not self._new(arm, record)
            ):
                return
            for measure, value in _measured(record, waiting=candidate.mode == "canary"):
                self._add(arm, measure, value)

    def _arm(self, release: str) -> Arm | None:
        if self._candidate is None:
            return None
        return "candidate" if release == self._candidate.name else "control" if release == self._control else None

    def _add(self, arm: Arm, measure: Measure, value: float) -> None:
        self._tallies[arm, measure] = self._tallies.get((arm, measure), Tally()).and_one(value)

    def _new(self, arm: Arm, record: AnswerRecord) -> bool:
        """True once for each conversation."""
        if not opens(record.question.conversation):
            return False
        asker = record.asker
        told = "\0".join((arm, asker.tenant, asker.user or asker.caller or "", record.question.text or record.id))
        digest = hashlib.blake2b(told.encode(), digest_size=12).digest()
        if digest in self._seen:
            return False
        self._seen[digest] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True


def _found_no_room(record: AnswerRecord) -> bool:
    return record.error is not None and (record.error.code == Overloaded.code or record.error.stage == "queue")


def _measured(record: AnswerRecord, *, waiting: bool) -> Iterator[tuple[Measure, float]]:
    """Name and value. With `waiting` the queue counts: a shadow waits behind everybody, which says nothing of it."""
    if record.answer.cached or (record.error is not None and record.error.code in _NOT_ITS_FAULT):
        return
    if not waiting and _found_no_room(record):
        return
    if record.outcome in ("failed", "refused"):
        yield "errors", 1.0
    if record.outcome not in _ANSWERED:
        return
    yield "errors", 0.0
    queued_s = sum(stage.took_s for stage in record.timing.stages if stage.name == "queue")
    took_s = record.timing.duration_s - (0.0 if waiting else queued_s)
    yield "latency", math.log(max(took_s, _SHORTEST_S))
    for measure in _SCORES:
        if measure in record.scores:
            yield measure, record.scores[measure]
