"""What tells whether a document has to be ingested again."""

import hashlib

from tandem.domain.document import RawDocument, Recipe

_JOINT = "."
_LABEL_CHARS = 16


def fingerprint(document: RawDocument, recipe: Recipe, loader: str) -> str:
    """Of the chunks and of what is stored beside them: `<content mark>.<label mark>`.

    `modified_at` is left out: touching a file, or checking it out anew, changes nothing worth a write.
    """
    return f"{content_mark(document, recipe, loader)}{_JOINT}{label_mark(document)}"


def same_content(left: str, right: str) -> bool:
    """True when two fingerprints are of the same chunks with the same vectors: only what is said of them may differ."""
    return content_of(left) == content_of(right)


def content_of(mark: str) -> str:
    """The part of a fingerprint that is of the chunks."""
    return mark.partition(_JOINT)[0]


def made_by(recipe: Recipe, loader: str) -> str:
    """A short mark of how documents are read, cut and embedded."""
    said = _framed(loader, recipe.embedder, str(recipe.dimensions), recipe.sparse, recipe.chunker)
    return hashlib.sha256(said).hexdigest()[:_LABEL_CHARS]


def content_mark(document: RawDocument, recipe: Recipe, loader: str) -> str:
    """SHA-256, in hex, of the bytes, of what else the chunks' text depends on, and of how they are read, cut and embedded."""
    digest = hashlib.sha256(document.body)
    digest.update(
        _framed(
            loader,
            recipe.embedder,
            str(recipe.dimensions),
            recipe.sparse,
            recipe.chunker,
            document.media_type or "",
            document.title or "",
        )
    )
    return digest.hexdigest()


def label_mark(document: RawDocument) -> str:
    """SHA-256, in hex and shortened, of all that was said of the document and that no vector depends on."""
    said = _framed(
        document.source,
        document.author or "",
        repr(document.created_at),
        document.language or "",
        document.path or "",
        *(f"tag {tag}" for tag in sorted(set(document.tags))),
        *(f"group {group}" for group in sorted(set(document.acl))),
    )
    return hashlib.sha256(said).hexdigest()[:_LABEL_CHARS]


def _framed(*parts: str) -> bytes:
    """Each part with its length, so that no two lists of parts read the same."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(each).to_bytes(8, "big") + each for each in encoded)
