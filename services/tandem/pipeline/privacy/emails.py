"""E-mail addresses, also those written with `(at)` and `(dot)`."""

from collections.abc import Iterator

from tandem.pipeline.privacy.finding import Find, compiled

# Letters of any script, about: Unicode's own classes make a program of 34,000 steps, too large for RE2's fast way.
_LETTERS = r"a-z\x{c0}-\x{1fff}\x{2c00}-\x{2fff}\x{3040}-\x{d7ff}\x{f900}-\x{fdff}"
_AT = r"(?:@| ?\(at\) ?| ?\[at\] ?)"
_DOT = r"(?:\.| ?\(dot\) ?| ?\[dot\] ?)"
_NAME = rf"[{_LETTERS}0-9_%+='.-]*[{_LETTERS}0-9_%+]"
PATTERN = rf"(?i){_NAME}{_AT}(?:[{_LETTERS}0-9][{_LETTERS}0-9-]*{_DOT})+[{_LETTERS}]{{2,24}}"
# What follows the last dot of a file's name: `logo@2x.png`, `answer@1.jinja`.
_FILES = frozenset(b"png jpg jpeg gif svg webp ico jinja json yaml yml toml html css js ts txt csv gguf onnx".split())


class Emails:
    """`Detector` of addresses. `git@host` is how repositories are named, and nobody's mailbox."""

    kind = "email"
    pattern = PATTERN

    def __init__(self) -> None:
        self._found = compiled(PATTERN)

    def find(self, text: bytes) -> Iterator[Find]:
        """See the protocol."""
        for match in self._found.finditer(text):
            start, end = match.span()
            while text[start : start + 1] in (b"'", b"-", b".", b"="):
                start += 1
            name, _, host = text[start:end].partition(b"@")
            labels = host.split(b".")
            if name == b"git" or (labels[-1].lower() in _FILES) or (len(labels) > 1 and labels[-2].isdigit()):
                continue
            yield Find(self.kind, start, end)
