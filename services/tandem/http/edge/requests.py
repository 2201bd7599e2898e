"""What a request's head must be, beyond what the parser enforces: one host, one way to tell the body's length."""

from collections.abc import Sequence

import httptools

from tandem.http.edge.refusals import MALFORMED, UNKNOWN_CODING, UNKNOWN_VERSION

Headers = Sequence[tuple[bytes, bytes]]


def fault_of(version: str, method: bytes, headers: Headers) -> bytes | None:
    """The refusal, or None for a request that is to be served.

    Whoever stands before us and reads a request in another way than we do can be made to let a second one through
    inside of it (RFC 9112, 11.2): what could be read in two ways is not read at all.
    """
    if version not in ("1.1", "1.0"):
        return UNKNOWN_VERSION
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            if version == "1.0":
                return MALFORMED
            if value.strip().lower() != b"chunked":
                return UNKNOWN_CODING
    if hosts > 1 or (hosts == 0 and version == "1.1") or method == b"CONNECT":
        return MALFORMED
    return None


def origin_form(url: bytes) -> tuple[bytes, bytes | None]:
    """The URL without scheme and host, and the host that it named.

    A host in the URL counts instead of the `Host` header (RFC 9112, 3.2.2). Raises httptools' parser errors.
    """
    if url.startswith(b"/") or url == b"*":
        return url, None
    parsed = httptools.parse_url(url)
    path = (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
    if not parsed.host:
        return path, None
    host = b"[" + parsed.host + b"]" if b":" in parsed.host else bytes(parsed.host)
    return path, host if not parsed.port else b"%s:%d" % (host, parsed.port)
