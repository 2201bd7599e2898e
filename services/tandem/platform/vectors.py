"""What a Qdrant that a release calls holds: the size of the vectors of each collection that serves."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from tandem.platform import addresses
from tandem.platform.cluster import Cluster, Refused
from tandem.platform.facts import Facts, Peer, Stored
from tandem.platform.inside import size_of
from tandem.platform.places import QDRANT, Destination, destination, place_at


def stored(cluster: Cluster, facts: Facts, peers: Sequence[Peer]) -> tuple[Stored, ...]:
    """Asked over a forwarded port, without a key: one that wants a key says so in the `fault`."""
    qdrant = next((each for each in peers if each.role == addresses.QDRANT and each.pod), None)
    place = None if qdrant is None else place_at(QDRANT, qdrant.url, facts.namespace)
    if place is None:
        return ()
    collection = addresses.collection(facts)
    try:
        found = destination(cluster, place)
        if found is None:
            return ()
        size = size_of(partial(_asked, cluster, place.namespace, found), collection)
        return (Stored(collection, size),) if size else ()
    except Refused as refused:
        return (Stored(collection, 0, f"status {refused.status}" if refused.status in {401, 403} else refused.message),)
    except (ValueError, KeyError, TypeError, AttributeError):
        return (Stored(collection, 0, "it does not answer as Qdrant does"),)


def _asked(cluster: Cluster, namespace: str, there: Destination, path: str) -> Any:
    answer = cluster.ask(namespace, there.pod, there.port, path)
    if answer.status != 200:
        raise Refused(answer.status, f"it answered {answer.status}")
    return json.loads(answer.body)["result"]
