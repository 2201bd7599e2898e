"""What a remote model is called in a collection's recipe: all that decides where a text is cut and what its vector is."""

import hashlib

from tandem.adapters.embeddings.remote.embedder import Prefixes


def card_name(model: str, revision: str | None, counter: str, prefixes: Prefixes) -> str:
    """`MODEL[@REVISION]+COUNTER[+PREFIXES]`, revision and prefixes by the first eight digits of their hash."""
    parts = [model + (f"@{revision[:8]}" if revision else ""), counter]
    if prefixes != Prefixes():
        joined = f"{prefixes.query}\x00{prefixes.document}".encode("utf-8", "replace")
        parts.append(f"prefixes-{hashlib.sha256(joined).hexdigest()[:8]}")
    return "+".join(parts)
