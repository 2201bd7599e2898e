"""Payment cards and bank accounts: numbers that carry a check of their own."""

from collections.abc import Iterator

from tandem.pipeline.privacy.finding import Find, compiled, word

CARD = r"\d(?:[ -]?\d){11,18}"
IBAN = r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}"
# First digits of the schemes that exist (ISO/IEC 7812), from one number to another of the same length, and how long theirs are.
_SCHEMES = (
    ("4", "4", (13, 16, 19)), ("51", "55", (16,)), ("2221", "2720", (16,)), ("34", "34", (15,)), ("37", "37", (15,)),
    ("6011", "6011", (16, 19)), ("644", "649", (16, 19)), ("65", "65", (16, 19)), ("300", "305", (14, 16)),
    ("36", "36", (14, 16)), ("38", "39", (14, 16)), ("3528", "3589", (16, 19)), ("62", "62", (16, 17, 18, 19)),
    ("50", "50", (16, 19)), ("56", "58", (16, 19)),
)  # fmt: skip
_GROUPS = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2), (4, 4, 4, 1)}
# How long an account's number is, by country (SWIFT's registry of IBANs).
_LENGTHS = {
    pair[:2]: int(pair[2:])
    for pair in "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30".split()
}


class Cards:
    """`Detector` of payment cards: a scheme's first digits, its grouping or none, and Luhn's sum."""

    kind = "card"
    pattern = CARD

    def __init__(self) -> None:
        self._found = compiled(CARD)

    def find(self, text: bytes) -> Iterator[Find]:
        """See the protocol."""
        for match in self._found.finditer(text):
            start, end = match.span()
            if _inside(text, start, end):
                continue
            written = text[start:end].decode()
            digits = written.replace(" ", "").replace("-", "")
            if _grouped(written) and _issued(digits) and _luhn(digits):
                yield Find(self.kind, start, end)


class Ibans:
    """`Detector` of bank accounts: as long as the country's are, and 1 modulo 97 (ISO 13616)."""

    kind = "iban"
    pattern = IBAN

    def __init__(self) -> None:
        self._found = compiled(IBAN)

    def find(self, text: bytes) -> Iterator[Find]:
        """See the protocol. Words may follow that the pattern takes for more of it: the country tells where it ends."""
        for match in self._found.finditer(text):
            start, end = match.span()
            length = _LENGTHS.get(text[start : start + 2].decode(), 0)
            written = ""
            for at in range(start, end):
                if len(written) == length:
                    end = at
                    break
                if text[at] != 0x20:
                    written += chr(text[at])
            if length and len(written) == length and not word(text, end) and _checked(written):
                yield Find(self.kind, start, end)


def _inside(text: bytes, start: int, end: int) -> bool:
    """A part of something longer: an id, a decimal number, a path."""
    before, after = text[start - 1 : start] if start else b"", text[end : end + 2]
    return (
        word(text, start - 1)
        or word(text, end)
        or before in (b"-", b".", b"/", b"#")
        or after[:1] in (b"-", b"/")
        or (after[:1] == b"." and after[1:].isdigit())
    )


def _grouped(written: str) -> bool:
    if " " in written and "-" in written:
        return False
    groups = tuple(map(len, written.replace("-", " ").split(" ")))
    return len(groups) == 1 or groups in _GROUPS


def _issued(digits: str) -> bool:
    return any(first <= digits[: len(first)] <= last and len(digits) in long for first, last, long in _SCHEMES)


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[::-2])) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _checked(iban: str) -> bool:
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97 == 1
