"""What tells whether a document has to be ingested again."""

import hashlib

from tandem.domain.document import RawDocument, Recipe


def fingerprint(document: RawDocument, recipe: Recipe, loader: str) -> str:
    """SHA-256, in hex, of the bytes, of what is stored beside them, and of how they are read, cut and embedded.

    `modified_at` is left out: touching a file, or checking it out anew, changes nothing worth embedding.
    """
    digest = hashlib.sha256()
    parts = (
        loader,
        recipe.embedder,
        str(recipe.dimensions),
        recipe.sparse,
        recipe.chunker,
        document.source,
        document.media_type or "",
        document.title or "",
        *sorted(document.tags),
    )
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    digest.update(b"\x00body\x00")
    digest.update(document.body)
    return digest.hexdigest()
