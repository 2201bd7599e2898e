"""What a document may be called: a relative path, a URL, or the caller's own name."""

from collections.abc import Callable

from tandem.domain.errors import InvalidRequest

MAX_ID_CHARS = 512

_FAULTS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda name: not name.strip(), "is empty"),
    (lambda name: len(name) > MAX_ID_CHARS, f"is longer than {MAX_ID_CHARS} characters"),
    (lambda name: name != name.strip(), "starts or ends with a space"),
    (lambda name: name.startswith("/"), "starts with a slash"),
    (lambda name: "\\" in name, "has a backslash"),
    (lambda name: not name.isprintable(), "has a control character or one that cannot be shown"),
    (lambda name: not {".", ".."}.isdisjoint(name.split("/")), "has a . or .. segment"),
)


def check_document_id(document_id: str, *, param: str = "id") -> str:
    """The id as it came, when it is one; raises `InvalidRequest` that says what is wrong with it.

    Ids stand in paths of URLs, in chunk ids and in citations, so `.` and `..` segments, a leading slash, backslashes
    and control characters are refused rather than repaired: two spellings must never name one document.
    """
    fault = next((said for holds, said in _FAULTS if holds(document_id)), None)
    if fault is not None:
        raise InvalidRequest(
            f"The document id {fault}.", hint="Use a relative path such as guide/install.md, or a URL.", param=param
        )
    return document_id
