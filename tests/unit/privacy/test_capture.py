from dataclasses import fields, is_dataclass, replace
from typing import Any

from fakes.records import answer_record
from tandem.domain.question import Sampling
from tandem.domain.record import AnswerRecord, RecordedCitation, RecordedError
from tandem.pipeline.privacy.capture import Privacy
from tandem.pipeline.privacy.standard import redaction
from tandem.pipeline.privacy.users import Users

CANARY = "canary@example.org"
# Names of things and what was measured: they stay whatever is captured. (The tenant's and callers' names, too.)
_KEPT = {"id", "request_id", "mode", "outcome", "tenant", "caller", "groups", "trace_id", "span_id", "parent_id", "chunk_id", "document_id", "flags", "asked", "collection", "embedder", "sparse", "reranker", "template", "engine", "revision", "pool", "region", "reason", "allowed_regions", "code", "stage", "degraded", "release", "finish_reason", "name", "role", "allowed", "language", "dataset", "training_run", "base_model"}  # fmt: skip


class Meter:
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def redacted(self, kind: str, times: int) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + times


def privacy(*, captures: bool, meter: Meter | None = None) -> Privacy:
    standard = redaction(("email", "phone", "card", "iban", "key"), ("US",), {})
    return Privacy(lambda _: captures, standard, Users(b"k" * 32), meter or Meter())


def filled() -> AnswerRecord:
    """A record whose every text holds the canary, so that one which is forgotten sings."""
    record: AnswerRecord = _filled(
        replace(
            answer_record(user="u"),
            error=RecordedError("internal_error", "m", "request"),
            sampling=Sampling(stop=("s",), json_schema="{}"),
        )
    )
    return record


def _filled(value: Any, name: str = "") -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _filled(getattr(value, f.name), f.name) for f in fields(value)})
    if isinstance(value, tuple):
        return tuple(_filled(each, name) for each in value)
    if isinstance(value, str) and name not in _KEPT:
        return f"{value} {CANARY}"
    return value


def test_nothing_that_anybody_wrote_is_left_without_capture() -> None:
    kept = privacy(captures=False)(filled())
    assert "canary" not in repr(kept)
    assert kept.content is False
    assert kept.question.chars == filled().question.chars
    assert kept.question.text is None
    assert kept.answer.text is None
    assert kept.error is not None
    assert kept.error.code == "internal_error"
    assert [passage.document_id for passage in kept.retrieval.passages] == ["harbour.md"]
    assert [passage.scores for passage in kept.retrieval.passages] == [
        passage.scores for passage in filled().retrieval.passages
    ]


def test_every_kept_text_is_cleaned_and_what_was_taken_is_counted() -> None:
    meter = Meter()
    kept = privacy(captures=True, meter=meter)(filled())
    # Whom the caller asks for is told by the caller, and what it is found and deleted by.
    assert CANARY not in repr(replace(kept, asker=replace(kept.asker, user=None), model=None))
    assert kept.content is True
    assert kept.question.text is not None
    assert kept.question.text.endswith("[email]")
    assert kept.redacted["email"] > 8
    assert meter.counts == kept.redacted


def test_a_clean_record_says_that_nothing_was_taken_out() -> None:
    record = replace(answer_record(), redacted={})
    kept = privacy(captures=True)(record)
    assert kept == record
    assert kept.redacted == {}


def test_a_citation_still_points_to_its_words() -> None:
    text = "Mail a.b@example.org or see the board. Berths cost 14 crowns."
    words = "Berths cost 14 crowns."
    start = text.index(words)
    record = answer_record()
    passage = replace(record.retrieval.passages[0], text=text)
    record = replace(
        record,
        retrieval=replace(record.retrieval, passages=(passage,)),
        answer=replace(record.answer, citations=(RecordedCitation(1, passage.chunk_id, start, len(text)),)),
    )
    kept = privacy(captures=True)(record)
    cited, shown = kept.answer.citations[0], kept.retrieval.passages[0].text
    assert shown is not None
    assert shown[cited.start : cited.end] == words


def test_users_are_known_by_an_alias_that_only_the_key_can_make() -> None:
    record = answer_record(user="ann@example.org")
    kept = privacy(captures=False)(record).asker.user
    assert kept is not None
    assert "ann" not in kept
    assert kept in Users(b"k" * 32).known_as("acme", "ann@example.org")
    assert kept not in Users(b"l" * 32).known_as("acme", "ann@example.org")
    assert kept not in Users(b"k" * 32).known_as("other", "ann@example.org")
    assert privacy(captures=True)(record).asker.user == "ann@example.org"
    assert Users(None).alias("acme", "ann") is None
    assert Users(None).known_as("acme", "ann") == ("ann",)


def test_other_texts_of_a_caller_follow_the_same_rules() -> None:
    on, off = privacy(captures=True), privacy(captures=False)
    assert on.text("acme", f"ask {CANARY}") == "ask [email]"
    assert on.text("acme", None) is None
    assert off.text("acme", "no") is None
    assert on.user("acme", "ann") == "ann"
    assert off.user("acme", "ann") == Users(b"k" * 32).alias("acme", "ann")
    assert off.user("acme", None) is None
