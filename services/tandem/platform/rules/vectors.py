"""Whether the vectors in Qdrant are as long as those of the embedder."""

from collections.abc import Iterator

from tandem.platform import addresses
from tandem.platform.facts import Facts, Stored
from tandem.platform.findings import Finding, Severity

# all-MiniLM-L6-v2, which runs within Tandem.
_OWN = 384


def vectors(facts: Facts) -> Iterator[Finding]:
    """A remote embedder is only known where a pod has asked it (--probe)."""
    asked = [int(each.said) for each in facts.tried if each.kind == "embedder" and each.said.isdigit()]
    remote = any(peer.role == addresses.EMBEDDER for peer in facts.peers)
    size = asked[0] if asked else 0 if remote else _OWN
    probed = {each.said for each in facts.tried if each.kind == "vectors" and each.said.isdigit()}
    for each in [Stored(addresses.collection(facts), int(said)) for said in sorted(probed)] or facts.stored:
        subject = f"collection/{each.collection}"
        if each.fault:
            yield Finding(
                "vectors-unread",
                subject,
                f"Qdrant does not let it be looked at from here: {each.fault}",
                "with a key in place that is as it should be: --probe asks from a pod that has it",
                severity=Severity.note,
            )
        elif size and each.dimensions and each.dimensions != size:
            yield Finding(
                "vectors-size",
                subject,
                f"its vectors have {each.dimensions} dimensions, and the embedder makes {size}: no search by meaning finds anything",
                "set config.embedder back, or build a version with the new one (tandem collections build) and promote it",
                "retriever",
            )
