"""Settings of streams: questions that come as records of a topic. `docs/streams.md` tells more."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from tandem.adapters.sources.kafka_place import KafkaPlace, is_topic, kafka_place
from tandem.app.access import Groups
from tandem.app.group import Group
from tandem.domain.errors import InvalidRequest


def _place(text: str) -> str:
    try:
        kafka_place(text)
    except InvalidRequest as error:
        raise ValueError(f"{error.message} {error.hint or ''}".strip()) from error
    return text


def _topic(name: str) -> str:
    if not is_topic(name):
        raise ValueError(f"{name!r} is no name of a topic: 1 to 249 letters, digits, dots, dashes and underscores")
    return name


Topic = Annotated[str, AfterValidator(_topic)]


class QuestionStream(Group):
    """A topic of questions, and the one that their answers go into."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62})$")
    """For metrics, logs and receipts."""
    place: Annotated[str, AfterValidator(_place)]
    """The questions: kafka://host:9092/topic?group=name, or kafkas:// for TLS. Members of one group share the partitions."""
    answers: Topic
    """The topic that answers are written to, at the same brokers; errors too, where there are no `dead_letters`."""
    dead_letters: Topic | None = None
    """The topic for records that have no answer, as they came; unset: an error is written to `answers` in its place."""
    tenant: str = Field(default="default", pattern=r"^[a-z0-9]([a-z0-9._-]{0,62})$")
    """On whose behalf they are asked: its documents, quotas, residency and records count."""
    groups: Groups = ()
    """Groups that they are asked with: documents with an access list are seen by these. `*`: all documents of the tenant."""
    collection: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    """Where is looked when a question names no collection; unset: `retrieval.collection`."""
    concurrency: int = Field(default=4, ge=1, le=512)
    """Questions that one process answers at a time; they use only what questions of people who wait leave of the pools."""
    max_attempts: int = Field(default=5, ge=1, le=100)
    """Failures that may pass are tried again this often in all."""
    timeout_s: float = Field(default=600.0, gt=0)
    """For one attempt."""

    @property
    def parsed(self) -> KafkaPlace:
        """The place in its parts."""
        return kafka_place(self.place)

    @model_validator(mode="after")
    def _not_in_a_circle(self) -> Self:
        if self.parsed.topic in (self.answers, self.dead_letters):
            raise ValueError(f"what comes of the questions must not go into their own topic, {self.parsed.topic}")
        if self.answers == self.dead_letters:
            raise ValueError("answers and dead_letters are the same topic: leave dead_letters out")
        return self


def check_streams(streams: tuple[QuestionStream, ...]) -> None:
    """Raises `ValueError` for two that get into each other's way."""
    names = [each.name for each in streams]
    if len(set(names)) < len(names):
        raise ValueError("two of the questions have the same name")
    places = [(frozenset(each.parsed.servers), each.parsed.topic, each.parsed.group) for each in streams]
    if len(set(places)) < len(places):
        raise ValueError("two of the questions read one topic as one group, and would take each other's place")
