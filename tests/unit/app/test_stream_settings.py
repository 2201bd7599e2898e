"""Streams that cannot work are refused where they are written, in words that say what to change."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tandem.adapters.sources.kafka_place import kafka_place
from tandem.app.settings import Settings, load_settings
from tandem.domain.errors import ConfigurationError

GOOD = {"name": "mail", "place": "kafka://one:9000,two/asked?group=g", "answers": "told"}


def loaded(tmp_path: Path, *streams: dict[str, Any]) -> Settings:
    file = tmp_path / "tandem.yaml"
    file.write_text(yaml.safe_dump({"questions": list(streams)}))
    return load_settings(file)


def test_a_stream_needs_three_words(tmp_path: Path) -> None:
    (stream,) = loaded(tmp_path, GOOD).questions
    place = stream.parsed
    assert (place.servers, place.topic, place.group, place.tls) == (("one:9000", "two:9092"), "asked", "g", False)
    assert place.url == "kafka://one:9000,two:9092/asked"
    assert (stream.tenant, stream.groups, stream.dead_letters, stream.concurrency) == ("default", (), None, 4)
    assert place.connection()["security_protocol"] == "PLAINTEXT"


def test_a_group_is_named_after_the_topic_and_tls_is_spoken_where_it_is_wanted() -> None:
    place = kafka_place("kafkas://h/t")
    assert (place.group, place.tls, place.url) == ("tandem-t", True, "kafkas://h:9092/t")
    assert place.connection()["security_protocol"] == "SSL"
    assert place.connection()["ssl_context"] is not None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"place": "kafka://h"}, "questions.0.place.*names no topic of Kafka. Write kafka://host:9092/topic"),
        ({"place": "http://h/t"}, "names no topic"),
        ({"place": "kafka://u:p@h/t"}, "names no topic"),
        ({"place": "kafka://h/a/b"}, "names no topic"),
        ({"place": "kafka://h/t?club=x"}, "only group can be said there, not club"),
        ({"place": "kafka://h/t?group"}, "cannot be read"),
        ({"answers": "a b"}, "questions.0.answers.*'a b' is no name of a topic"),
        ({"answers": ".."}, "no name of a topic"),
        ({"answers": "asked"}, "must not go into their own topic, asked"),
        ({"dead_letters": "asked"}, "must not go into their own topic"),
        ({"dead_letters": "told"}, "leave dead_letters out"),
        ({"groups": ["a\nb"]}, "no control or invisible"),
        ({"name": "A"}, "questions.0.name"),
        ({"topic": "x"}, "Extra inputs"),
        ({"concurrency": 0}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_work_is_said(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        loaded(tmp_path, GOOD | more)


def test_two_must_not_get_into_each_others_way(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the same name"):
        loaded(tmp_path, GOOD, GOOD)
    other = GOOD | {"name": "other", "place": "kafka://two,one:9000/asked?group=g"}
    with pytest.raises(ConfigurationError, match="as one group"):
        loaded(tmp_path, GOOD, other)
    assert len(loaded(tmp_path, GOOD, other | {"place": "kafka://two/asked?group=h"}).questions) == 2
