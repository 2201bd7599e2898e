"""Known values of a field, found at the beginning of a few words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TOKEN = re.compile(r"[^\s]+")
_EDGE = ".,;:?!()[]'\"“”‘’"
# More authors of one name than this: the name says nothing.
_MOST_NAMESAKES = 3


@dataclass(frozen=True, slots=True)
class Named:
    """The values meant, and how many characters of the text name them."""

    values: tuple[str, ...]
    length: int


class Names:
    """Values as people write them: whatever the case, `Doe, Jane` as Jane Doe, without an address behind it."""

    def __init__(self, values: Iterable[str]) -> None:
        self._whole: dict[str, list[str]] = {}
        self._parts: dict[str, list[str]] = {}
        for value in values:
            spoken = _spoken(value)
            self._whole.setdefault(spoken, []).append(value)
            for part in set(spoken.split()) if " " in spoken else ():
                self._parts.setdefault(part, []).append(value)

    def at_start(self, text: str, *, partial: bool = False, proper: bool = False) -> Named | None:
        """The longest value that the text begins with. `proper`: one of a single word has to be capitalised, as names are.

        `partial`: a word of a value is enough when it is capitalised, no other name follows it, and few values have it.
        """
        tokens = list(_TOKEN.finditer(text))
        for count in range(len(tokens), 0, -1):
            said = " ".join(token[0] for token in tokens[:count]).strip(_EDGE)
            if proper and count == 1 and not said[:1].isupper():
                break
            if found := self._whole.get(_spoken(said)):
                return Named(tuple(found), tokens[count - 1].end())
        if not partial or not tokens or not tokens[0][0][:1].isupper():
            return None
        if len(tokens) > 1 and tokens[1][0][:1].isupper() and tokens[0][0][-1] not in ",;:?!":
            return None
        found = self._parts.get(tokens[0][0].strip(_EDGE).casefold(), [])
        return Named(tuple(found), tokens[0].end()) if 0 < len(found) <= _MOST_NAMESAKES else None


def _spoken(value: str) -> str:
    """`Doe, Jane <jane@example.org>` → `jane doe`."""
    name = re.sub(r"<[^>]*>", "", value).strip()
    last, comma, first = name.partition(",")
    return " ".join((f"{first} {last}" if comma and first.strip() else name).casefold().split())
