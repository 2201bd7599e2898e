"""What a Qdrant that a release calls holds: the size of the vectors of each collection that serves."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from tandem.platform import addresses
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.facts import Facts, Peer, Stored
from tandem.platform.inside import size_of

_PORT = 6333


def stored(cluster: Cluster, facts: Facts, peers: Sequence[Peer]) -> tuple[Stored, ...]:
    """Asked over a forwarded port, without a key: one that wants a key says so in the `fault`."""
    qdrant = next((each for each in peers if each.role == addresses.QDRANT and each.pod), None)
    if qdrant is None:
        return ()
    port = urlsplit(qdrant.url).port or _PORT
    collection = addresses.collection(facts)

    def ask(path: str) -> Any:
        answer = cluster.ask(qdrant.namespace, qdrant.pod, port, path)
        if answer.status != 200:
            raise Refused(answer.status, f"it answered {answer.status}")
        return json.loads(answer.body)["result"]

    try:
        size = size_of(ask, collection)
        return (Stored(collection, size),) if size else ()
    except Refused as refused:
        return (Stored(collection, 0, f"status {refused.status}" if refused.status in {401, 403} else refused.message),)
    except (ValueError, KeyError, TypeError):
        return (Stored(collection, 0, "it does not answer as Qdrant does"),)
