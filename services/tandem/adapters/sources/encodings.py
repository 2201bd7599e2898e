"""Bytes of unknown encoding to clean text."""

import codecs
import re

from charset_normalizer import CharsetMatch, from_bytes

from tandem.adapters.sources.formats import reject_binary
from tandem.domain.errors import DocumentRejected

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = "cp1252"
# Their marks, or their zeros, were looked at before.
_NOT_GUESSED = ["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "utf_7"]
_SAMPLE = 256 * 1024
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
# Everything below a space but tab, newline and form feed; DEL; what has no width; the non-characters; half of a surrogate pair.
_UNWANTED = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\u200b\ufeff\ufffe\uffff\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MAX_CONTROL_SHARE = 0.02


def decode(body: bytes, declared: str | None = None) -> str:
    r"""Text with `\n` line ends and without control characters.

    A byte order mark wins, then UTF-8, then the declared charset (a media type's parameter, an HTML meta tag), then
    what the bytes look like. Raises `DocumentRejected`: `unsupported` for binary data, `undecodable` for text whose
    encoding nobody can tell.
    """
    return clean(_decoded(body, declared))


def charset_of(text: str | None) -> str | None:
    """The name after `charset=` in a media type or in the head of an HTML page."""
    found = _CHARSET.search(text or "")
    return found.group(1) if found else None


def clean(text: str) -> str:
    """One kind of line end, no control characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n").replace("\u2028", "\n")
    return _UNWANTED.sub("", text)


def _decoded(body: bytes, declared: str | None) -> str:
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return _strict(body, encoding) or _undecodable()
    if b"\x00" in body[:_SAMPLE]:
        return _wide(body) or reject_binary("This is binary data")
    if (text := _strict(body, "utf-8")) is not None:
        return _plausible(text)
    if declared is not None and (text := _strict(body, declared)) is not None:
        return _plausible(text)
    return _guessed(body)


def _strict(body: bytes, encoding: str) -> str | None:
    try:
        return body.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _wide(body: bytes) -> str | None:
    """UTF-16 without a mark: mostly Latin text has its zeros on one side only."""
    sample = body[:_SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    side = "utf-16-le" if odd > even else "utf-16-be"
    few, many = sorted((even, odd))
    if many < len(sample) // 8 or few * 20 > many:
        return None
    return _strict(body, side)


def _guessed(body: bytes) -> str:
    matches = list(from_bytes(body[:_SAMPLE], cp_exclusion=_NOT_GUESSED))
    if not matches:
        return _undecodable()
    # The sample may end inside a character, the rest may hold a stray byte: neither is worth losing the document for.
    text = body.decode(_likeliest(matches), errors="replace")
    if text.count("\ufffd") > max(2, len(text) // 100):
        return _undecodable()
    return _plausible(text)


def _likeliest(matches: list[CharsetMatch]) -> str:
    """The best match; of several that are as good, the one that most Western files are in."""
    best = matches[0]
    as_good = {name for each in matches if _merit(each) == _merit(best) for name in each.could_be_from_charset}
    return _WESTERN if _WESTERN in as_good else best.encoding


def _merit(match: CharsetMatch) -> tuple[float, float]:
    return match.chaos, match.coherence


def _plausible(text: str) -> str:
    sample = text[:_SAMPLE]
    if len(_CONTROL.findall(sample)) > len(sample) * _MAX_CONTROL_SHARE:
        reject_binary("This is binary data")
    return text


def _undecodable() -> str:
    raise DocumentRejected(
        "The text's encoding cannot be told.", reason="undecodable", hint="Save it as UTF-8, or declare its charset."
    )
