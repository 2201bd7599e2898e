"""Names of groups: who may see a document is said in them, and who somebody is."""

import unicodedata
from collections.abc import Iterable

EVERY_GROUP = "*"
"""Of a key that sees all documents of its tenant. No token can name it, and no document."""
MAX_GROUPS = 200
MAX_GROUP_CHARS = 128
MAX_GROUPS_BYTES = 16_384
"""Of all names together, in UTF-8: they must fit into one header between two parts of the platform."""

# Controls, invisible format characters, halves of characters, unassigned ones, separators of lines and paragraphs.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def group_fault(name: str) -> str | None:
    """Why this cannot name a group, None when it can. Names are compared code point by code point, never folded."""
    if not name or len(name) > MAX_GROUP_CHARS:
        return f"a group's name has 1 to {MAX_GROUP_CHARS} characters"
    if name == EVERY_GROUP:
        return f"{EVERY_GROUP} stands for all groups and names none"
    if name != name.strip():
        return "a group's name does not begin or end with white space"
    if any(unicodedata.category(char) in _UNPRINTABLE for char in name):
        return "a group's name has no control or invisible characters"
    return None


def groups_fault(names: Iterable[str]) -> str | None:
    """Why these cannot be somebody's groups, or a document's access list; None when they can."""
    listed = list(names)
    if len(listed) > MAX_GROUPS:
        return f"{len(listed)} groups are more than {MAX_GROUPS}"
    if sum(len(name.encode("utf-8", "surrogatepass")) for name in listed) > MAX_GROUPS_BYTES:
        return f"the groups' names have more than {MAX_GROUPS_BYTES} bytes together"
    return next((fault for name in listed if (fault := group_fault(name))), None)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """The same groups in one order, each once: whoever is in the same ones is the same viewer."""
    return tuple(sorted(set(names)))
