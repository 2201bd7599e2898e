"""What an operator wants taken out beside what Tandem knows: patterns of its own, by name."""

from collections.abc import Iterator

import re2

from tandem.domain.errors import ConfigurationError
from tandem.pipeline.privacy.finding import Find, compiled

_HINT = "It is read by RE2: no look-around, no back-references; https://github.com/google/re2/wiki/Syntax lists all it knows."
_MOST_CHARS = 1_000


class Pattern:
    """`Detector` of whatever matches. RE2's time is linear in the text, so that no pattern can hang the monitor."""

    def __init__(self, kind: str, pattern: str) -> None:
        """Raises `ConfigurationError` for one that RE2 does not read, that is too large, or that matches nothing at all."""
        self.kind = kind
        self.pattern = pattern
        if len(pattern) > _MOST_CHARS:
            raise ConfigurationError(f"The pattern {kind!r} is longer than {_MOST_CHARS} characters.", hint=_HINT)
        try:
            self._found = compiled(pattern)
        except re2.error as error:
            # Its errors are bytes of the library's own words.
            told = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
            raise ConfigurationError(f"The pattern {kind!r} cannot be read: {told}.", hint=_HINT) from error
        if self._found.search(b"") is not None:
            raise ConfigurationError(f"The pattern {kind!r} matches an empty text.", hint="Ask for at least one sign.")

    def find(self, text: bytes) -> Iterator[Find]:
        """See the protocol."""
        for match in self._found.finditer(text):
            start, end = match.span()
            if start < end:
                yield Find(self.kind, start, end)
