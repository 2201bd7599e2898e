"""Keys, tokens and passwords: by the marks their makers put on them, by what stands before them, or by their randomness."""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from tandem.pipeline.privacy.finding import Find, compiled

_MARKED = (
    r"\bsk-[A-Za-z0-9_-]{20,}",
    r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36,}",
    r"\bgithub_pat_[A-Za-z0-9_]{22,}",
    r"\bglpat-[A-Za-z0-9_-]{20,}",
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"\bAIza[A-Za-z0-9_-]{35}",
    r"\bya29\.[A-Za-z0-9_-]{20,}",
    r"\bhf_[A-Za-z0-9]{30,}",
    r"\bnpm_[A-Za-z0-9]{36}",
    r"\bpypi-[A-Za-z0-9_-]{50,}",
    r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"\bdop_v1_[a-f0-9]{64}",
    r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    r"(?s:-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\z))",
)
_NAMES = r"api[ _-]?key|secret(?:[ _-]?(?:access[ _-]?)?key)?|(?:access|auth|refresh|id)?[_-]?token|passw(?:or)?d|passwort|pwd|passphrase|private[_-]?key|access[_-]?key(?:[_-]?id)?"
# The first group is what is secret of it.
_TOLD = (
    r"(?i:\b(?:bearer|basic)\s+)([A-Za-z0-9._~+/=-]{16,})",
    r"://[^\s/:@]+:([^\s/@]+)@",
    rf"""(?i:(?:{_NAMES})["']?\s*(?::|=>?|:=)\s*["']?)([^\s"',;<>{{}}()\[\]]{{6,}})""",
    r"""(?i:\b(?:password|passwort|passphrase|api key|secret key|access token|passcode)\s+(?:is|was|ist)\s*:?\s*["'`]?)([^\s"'`]{6,})""",
)
_RANDOM = r"[A-Za-z0-9+/_-]{32,}={0,2}"
_LONGEST = 256
_BLANKS = ("xxx", "***", "...", "your", "example", "placeholder", "changeme", "secretstr", "redacted", "$")
# Of two signs of base64 picked at random, 65 % differ in being small, capital, digit or neither; in names 20 to 30 %.
_CHANGES = 0.45
_BITS = 4.0
# Base64 has one among 64 signs; a path has more.
_SLASHES = 3


class Keys:
    """`Detector` of what must not be known."""

    kind = "key"

    def __init__(self) -> None:
        self.pattern = "|".join((*_MARKED, *_TOLD, _RANDOM))
        self._marked = compiled("|".join(_MARKED))
        self._told = [compiled(pattern, groups=True) for pattern in _TOLD]
        self._random = compiled(_RANDOM)

    def find(self, text: bytes) -> Iterator[Find]:
        """See the protocol; of a password that is told, only the password."""
        for match in self._marked.finditer(text):
            start, end = match.span()
            if _digit(text[start:end]):
                yield Find(self.kind, start, end)
        for told in self._told:
            for match in told.finditer(text):
                start, end = match.span(1)
                end -= len(text[start:end]) - len(text[start:end].rstrip(b".,;:`"))
                if b"://" in match.group()[:3] or _secret(text[start:end]):
                    yield Find(self.kind, start, end)
        for match in self._random.finditer(text):
            start, end = match.span()
            named = text[max(0, start - 4) : start].lower() in (b"256:", b"512:", b"384:")
            if end - start <= _LONGEST and not named and _random(text[start:end]):
                yield Find(self.kind, start, end)


def _digit(text: bytes) -> bool:
    return any(0x30 <= byte <= 0x39 for byte in text)


def _secret(value: bytes) -> bool:
    """Not a number, a plain word, a name in a program, nor what stands for a secret in an example."""
    shown = value.decode("utf-8", "replace")
    low = shown.lower()
    if any(blank in low for blank in _BLANKS) or len(shown) < 6:
        return False
    letters, digits = any(map(str.isalpha, shown)), any(map(str.isdigit, shown))
    signs = any(sign in "!@#%^&*?~" for sign in shown)
    return (letters and digits and not low.startswith(("0x", "http"))) or (letters and signs)


def _random(value: bytes) -> bool:
    shown = value.rstrip(b"=").decode()
    if shown.startswith(("sha256-", "sha384-", "sha512-", "data")):
        return False
    if shown.count("/") > _SLASHES:
        return False
    kinds = "".join("d" if s.isdigit() else "u" if s.isupper() else "l" if s.islower() else "-" for s in shown)
    if not {"d", "u", "l"} <= set(kinds):
        return False
    changes = sum(a != b for a, b in pairwise(kinds)) / (len(kinds) - 1)
    if changes < _CHANGES:
        return False
    return -sum(n / len(shown) * math.log2(n / len(shown)) for n in Counter(shown).values()) >= _BITS
