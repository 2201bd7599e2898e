"""What is said of a document: by whom it was given, else by its own bytes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tandem.domain.document import DocumentRecord, LoadedDocument, RawDocument
from tandem.domain.errors import InvalidRequest
from tandem.domain.groups import groups_fault

MAX_TAGS = 100
MAX_TAG_CHARS = 200
MAX_AUTHOR_CHARS = 400
MAX_PATH_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Labels:
    """What a run says of every document it brings in, beside what its source says."""

    tags: tuple[str, ...] = ()
    acl: tuple[str, ...] = ()
    author: str | None = None

    def on(self, document: RawDocument) -> RawDocument:
        """Tags and groups are added to the document's own; the author wins."""
        return replace(
            document,
            tags=_once((*document.tags, *self.tags)),
            acl=_once((*document.acl, *self.acl)),
            author=self.author or document.author,
        )


UNLABELLED = Labels()


def checked(labels: Labels) -> Labels:
    """The same; raises `InvalidRequest` for what no document may have, before one is read."""
    check_labels(labels.on(RawDocument("any", b"", "any")))
    return labels


def check_labels(document: RawDocument) -> None:
    """Raises `InvalidRequest` for what could not be stored, found again, or told apart."""
    check_words(document.tags, "tags", most=MAX_TAGS, longest=MAX_TAG_CHARS)
    if fault := groups_fault(document.acl):
        raise InvalidRequest(
            f"acl: {fault}.", hint="Name groups as the keys and tokens of their members do.", param="acl"
        )
    if document.author is not None:
        check_words((document.author,), "author", most=1, longest=MAX_AUTHOR_CHARS)
    if document.path is not None:
        _check_path(document.path)
    for name, instant in (("created_at", document.created_at), ("modified_at", document.modified_at)):
        if instant is not None and not math.isfinite(instant):
            raise InvalidRequest(f"{name} is no instant.", hint="Give epoch seconds.", param=name)


def check_words(words: Sequence[str], name: str, *, most: int, longest: int) -> None:
    """Printable, not blank, without spaces around: two spellings that look alike would be two groups."""
    if len(words) > most:
        raise InvalidRequest(f"{name}: {len(words)} are given, {most} are allowed.", param=name)
    for word in words:
        if not word.strip() or word != word.strip() or not word.isprintable() or len(word) > longest:
            raise InvalidRequest(
                f"{name}: {word[:80]!r} cannot be one.",
                hint=f"Use 1 to {longest} printable characters without spaces around them.",
                param=name,
            )


def record_of(
    document: RawDocument, loaded: LoadedDocument, mark: str, chunks: int, ingested_at: float
) -> DocumentRecord:
    """The record of a document as given and as read. Who may see it is never read from its bytes."""
    return DocumentRecord(
        id=document.id,
        title=loaded.title,
        source=document.source,
        media_type=loaded.media_type,
        fingerprint=mark,
        chunks=chunks,
        characters=len(loaded.text),
        ingested_at=ingested_at,
        language=document.language or loaded.language,
        modified_at=loaded.modified_at if document.modified_at is None else document.modified_at,
        tags=_once((*document.tags, *loaded.tags))[:MAX_TAGS],
        author=document.author or loaded.author,
        created_at=loaded.created_at if document.created_at is None else document.created_at,
        path=document.path or path_of(document.id),
        acl=_once(document.acl),
    )


def path_of(document_id: str) -> str:
    """Of a URL `host/path`, of any other id the id."""
    _, mark, rest = document_id.partition("://")
    if not mark:
        return document_id
    path = rest.partition("#")[0].partition("?")[0]
    host, slash, below = path.partition("/")
    folders = [folder for folder in below.split("/") if folder]
    return "/".join([host.rpartition("@")[2].partition(":")[0], *folders]) + ("/" if slash and not folders else "")


def _check_path(path: str) -> None:
    check_words((path,), "path", most=1, longest=MAX_PATH_CHARS)
    if path.startswith("/") or "//" in path or not {".", ".."}.isdisjoint(path.split("/")):
        raise InvalidRequest(
            "path: it has an empty, a . or a .. segment.",
            hint="Use a relative path such as guide/install.md.",
            param="path",
        )


def _once(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
