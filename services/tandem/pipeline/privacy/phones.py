"""Telephone numbers, told from the many other rows of digits by Google's numbering plans and by what stands before them."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from tandem.pipeline.privacy.finding import Find, compiled, word

PATTERN = r"[+(]?\d(?:[ ()./\x{a0}\x{2010}-\x{2013}-]{0,3}\d){6,14}"
# A number after one of these words is a telephone's, however it is written.
_TOLD = re.compile(
    rb"\b(?:phone|tel|telephone|mobile|cell|call(?: me)?(?: (?:at|on))?|fax|whatsapp|sms|text me at|telefon|handy|mobil|t\xc3\xa9l|t\xc3\xa9l\xc3\xa9phone|telefono|tel\xc3\xa9fono|dial|ring)"
    rb"(?:[ -]?(?:number|no|nr|nummer)\b\.?)?(?: (?:is|was|at))?[.:]?[ ]{0,3}$",
    re.IGNORECASE,
)
_AHEAD = 40
# 415-555-2671, (415) 555-2671, 415.555.2671
_AMERICAN = re.compile(r"^(?:1[-. ])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-.])[2-9]\d{2}[-.]\d{4}$")
_GROUPED = re.compile(r"^\(?0\d+\)?(?:[ /-]\d{2,}){1,6}$")


class Phones:
    """`Detector` of telephone numbers: international ones, and those of `regions` where they are written as such."""

    kind = "phone"
    pattern = PATTERN

    def __init__(self, regions: Sequence[str]) -> None:
        self._found = compiled(PATTERN)
        self._regions = tuple(regions)

    def find(self, text: bytes) -> Iterator[Find]:
        """See the protocol."""
        for match in self._found.finditer(text):
            start, end = match.span()
            if _inside(text, start, end):
                continue
            written = text[start:end].decode()
            if _TOLD.search(text[max(0, start - _AHEAD) : start]) or _rings(written, self._regions):
                yield Find(self.kind, start, end)


def _inside(text: bytes, start: int, end: int) -> bool:
    """A part of something longer: an id, a decimal number, a path, a sum of money."""
    if word(text, start - 1) and not text[:start].endswith(b"\xc2\xa0"):
        return True
    after = text[end : end + 2]
    return (
        text[max(0, start - 1) : start] in (b"-", b".", b"/", b"#", b"$", b"+")
        or word(text, end)
        or after[:1] in (b"/", b"%", b":")
        or (after[:1] in (b"-", b".", b",") and word(after, 1))
    )


@lru_cache(maxsize=4096)
def _rings(written: str, regions: tuple[str, ...]) -> bool:
    """True when a telephone somewhere may have this number. The same ones come again: in a passage, then in the prompt."""
    if written.startswith("+"):
        return _valid(written, None)
    if written.startswith("00") and " " in written:
        return _valid("+" + written[2:], None)
    if _AMERICAN.match(written):
        # The shape says enough: numbers that no plan gives out, such as 555's, are written like this as well.
        return bool({"US", "CA"} & set(regions))
    return bool(_GROUPED.match(written)) and any(_valid(written, region) for region in regions)


def _valid(written: str, region: str | None) -> bool:
    # The numbering plans are loaded when there is a number to look at.
    from phonenumbers import NumberParseException, is_valid_number, parse

    try:
        return is_valid_number(parse(written, region))
    except NumberParseException:
        return False
