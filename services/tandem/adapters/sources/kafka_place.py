"""Where a topic is: `kafka://HOST:PORT,…/TOPIC?group=NAME`, or `kafkas://` over TLS."""

import re
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tandem.domain.errors import InvalidRequest

_DEFAULT_PORT = 9092
_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
_EXAMPLE = "Write kafka://host:9092/topic?group=name, or kafkas:// for TLS."


@dataclass(frozen=True, slots=True)
class KafkaPlace:
    """A topic, and the group whose members share its partitions."""

    servers: tuple[str, ...]
    topic: str
    group: str
    tls: bool

    @property
    def url(self) -> str:
        """Without the group."""
        return f"{'kafkas' if self.tls else 'kafka'}://{','.join(self.servers)}/{self.topic}"

    def connection(self) -> dict[str, Any]:
        """What every client of it is made with."""
        return {
            "bootstrap_servers": list(self.servers),
            "security_protocol": "SSL" if self.tls else "PLAINTEXT",
            "ssl_context": ssl.create_default_context() if self.tls else None,
        }


def kafka_place(place: str) -> KafkaPlace:
    """Nothing is touched yet. Raises `InvalidRequest`."""
    try:
        parts = urlsplit(place)
        said = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise InvalidRequest(f"{place} cannot be read: {error}.", hint=_EXAMPLE, param="place") from error
    topic, scheme = parts.path.strip("/"), parts.scheme.lower()
    if scheme not in ("kafka", "kafkas") or not parts.netloc or "@" in parts.netloc or not is_topic(topic):
        raise InvalidRequest(f"{place} names no topic of Kafka.", hint=_EXAMPLE, param="place")
    if unknown := sorted(set(said) - {"group"}):
        raise InvalidRequest(f"{place}: only group can be said there, not {', '.join(unknown)}.", param="place")
    servers = tuple(each if ":" in each else f"{each}:{_DEFAULT_PORT}" for each in parts.netloc.split(",") if each)
    return KafkaPlace(servers, topic, said.get("group", [f"tandem-{topic}"])[-1], tls=scheme == "kafkas")


def is_topic(name: str) -> bool:
    """True for what Kafka takes as a topic's name."""
    return _TOPIC.fullmatch(name) is not None
