"""What a document may be called: a relative path, a URL, or the caller's own name."""

from tandem.domain.errors import InvalidRequest

MAX_ID_CHARS = 512


def check_document_id(document_id: str, *, param: str = "id") -> str:
    """The id as it came, when it is one; raises `InvalidRequest` that says what is wrong with it.

    Ids stand in paths of URLs, in chunk ids and in citations, so `.` and `..` segments, a leading slash, backslashes
    and control characters are refused rather than repaired: two spellings must never name one document.
    """
    fault = _fault(document_id)
    if fault is not None:
        raise InvalidRequest(
            f"The document id {fault}.", hint="Use a relative path such as guide/install.md, or a URL.", param=param
        )
    return document_id


def _fault(document_id: str) -> str | None:
    if not document_id or document_id.isspace():
        return "is empty"
    if len(document_id) > MAX_ID_CHARS:
        return f"is longer than {MAX_ID_CHARS} characters"
    if document_id != document_id.strip():
        return "starts or ends with a space"
    if document_id.startswith("/"):
        return "starts with a slash"
    if "\\" in document_id:
        return "has a backslash"
    if not document_id.isprintable():
        return "has a control character or one that cannot be shown"
    if any(segment in {".", ".."} for segment in document_id.split("/")):
        return "has a . or .. segment"
    return None
