"""Characters that a reader does not see and a model does."""

import re

# Zero-width and filler characters, soft hyphens, direction marks and overrides, invisible operators, tags, and selectors
# beyond the sixteen that emoji use.
_ALWAYS = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e01ef"
)
# Controls but for white space: among them what terminals take for commands.
_CONTROLS = "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
# Joiners belong between letters of some scripts and within emoji; nothing written in ASCII needs them.
_JOINERS = r"(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
# One selector says how the character before it looks; more of them carry something else.
_SELECTORS = r"(?<=[\ufe00-\ufe0f])[\ufe00-\ufe0f]+"
_UNSEEN = re.compile(rf"[{_ALWAYS}{_CONTROLS}]|{_JOINERS}|{_SELECTORS}")
# All of which any of these patterns needs one; hardly a text has it, and this is told ten times as quickly.
_SUSPECT = re.compile(f"[{_ALWAYS}{_CONTROLS}\u200c\u200d\ufe00-\ufe0f]")
_HIDING = re.compile("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e01ef]|[\ufe00-\ufe0f]{2}|\x1b")
# A word that is taken apart by them was meant not to be found.
_SPLIT = re.compile(r"[A-Za-z][\u200b-\u200d\u2060\ufeff]+(?=[A-Za-z])")
_SPLIT_WORDS = 3


def without_unseen(text: str) -> str:
    """The text as it is seen."""
    return _UNSEEN.sub("", text) if _SUSPECT.search(text) else text


def hides(text: str) -> bool:
    """True when characters of a text were chosen so that they are not seen, rather than left there by a word processor."""
    if text.isascii():
        return "\x1b" in text
    if _SUSPECT.search(text) is None:
        return False
    return _HIDING.search(text) is not None or len(_SPLIT.findall(text)) >= _SPLIT_WORDS
