"""Checks of one answer: its model, its counts, its length, where it stops, its seed, its characters."""

from tandem.domain.question import Sampling
from tandem.pipeline.conformance.subject import Skipped, Subject, Violated, answered, carded

# Every model can answer it: one that writes, and one that only quotes what stands before the question.
TEXT = (
    "The harbour was opened in 1932 by the mayor of the town. Mooring at the harbour costs four euros a night. "
    "Three ferries a day leave the harbour for the island. The lighthouse of the harbour burns from dusk to dawn."
)
QUESTION = "What does mooring at the harbour cost, and when was the harbour opened?"
ASKED = f"{TEXT}\n\n{QUESTION}"
_FOREIGN = (
    "Die Fähre „Möwe“ grüßt das Café am Übersee-Kai für 4 € – täglich 🚢, auch nach 東京. The museum is closed on Mondays.\n\n"
    "Which words does the sentence about the Fähre „Möwe“ and the Café hold? Repeat it word for word."
)
_REPLACED = "\ufffd"
GREEDY = Sampling(max_tokens=48, temperature=0.0)


async def card(subject: Subject) -> str:
    """It names its model, and how many tokens that holds."""
    told = await carded(subject)
    if not told.id:
        raise Violated("the model has no name")
    if told.context_tokens <= 0:
        raise Violated(f"the model is said to hold {told.context_tokens} tokens")
    return f"{told.id} ({told.engine}), {told.context_tokens} tokens"


async def usage(subject: Subject) -> str:
    """Prompt and answer are counted, and the counts can be true."""
    short = await answered(subject, ASKED, GREEDY)
    long = await answered(subject, f"{TEXT} {TEXT}\n\n{QUESTION}", GREEDY)
    counts, pieces = short.end.usage, len([piece for piece in short.pieces if piece])
    if not pieces:
        raise Violated("the answer has no text")
    if counts.prompt_tokens <= 0:
        raise Violated("no usage was told")
    if not 0 < counts.completion_tokens <= 48:
        raise Violated(f"{counts.completion_tokens} tokens are counted in an answer of at most 48")
    if pieces > counts.completion_tokens:
        raise Violated(f"{pieces} pieces came of {counts.completion_tokens} tokens")
    if long.end.usage.prompt_tokens <= counts.prompt_tokens:
        raise Violated(
            f"{counts.prompt_tokens} prompt tokens are counted, {long.end.usage.prompt_tokens} in one nearly twice as long"
        )
    return f"{counts.prompt_tokens} + {counts.completion_tokens} tokens, {pieces} pieces"


async def length(subject: Subject) -> str:
    """`max_tokens` ends the answer, and the reason says so."""
    heard = await answered(subject, ASKED, Sampling(max_tokens=4, temperature=0.0))
    told, reason = heard.end.usage.completion_tokens, heard.end.reason
    if told > 4 or len([piece for piece in heard.pieces if piece]) > 4:
        raise Violated(f"an answer of at most 4 tokens has {told} in {len(heard.pieces)} pieces")
    if reason == "length":
        return f"{told} tokens, then the reason is length"
    if told < 4:
        raise Skipped(f"the model ends by itself after {told} tokens")
    raise Violated(f"the answer was cut after 4 tokens, and the reason is {reason}")


async def stop(subject: Subject) -> str:
    """A stop sequence ends the answer."""
    whole = await answered(subject, ASKED, GREEDY)
    sequence = _inner_word(whole.text)
    before = whole.text[: whole.text.index(sequence)].rstrip()
    heard = await answered(subject, ASKED, Sampling(max_tokens=48, temperature=0.0, stop=(sequence,)))
    said, found, after = heard.text.partition(sequence)
    if after:
        raise Violated(f"the answer goes on after the stop sequence {sequence!r}: {after[:40]!r}")
    if said.rstrip() != before:
        raise Skipped("asked twice, the model said two things, and the second did not come to the stop sequence")
    if heard.end.reason != "stop":
        raise Violated(f"the answer ends at {sequence!r}, and its reason is {heard.end.reason}")
    if found and (subject.remote is None or subject.remote.protocol != "tgi"):
        raise Violated(f"the stop sequence {sequence!r} is part of the answer")
    return f"stopped at {sequence!r}" + (", which is part of the answer, as TGI has it" if found else "")


async def seed(subject: Subject) -> str:
    """The same seed gives the same answer."""
    texts = [
        (await answered(subject, ASKED, Sampling(max_tokens=24, temperature=0.9, seed=number))).text
        for number in (7, 7, 8, 9)
    ]
    first, again, *others = texts
    if first != again:
        raise Violated(f"seed 7 gave {first[:40]!r}, then {again[:40]!r}")
    if all(other == first for other in others):
        raise Skipped("every seed gives the same answer: this model does not sample")
    return "the same seed gives the same answer, another one another"


async def unicode(subject: Subject) -> str:
    """Characters of several bytes arrive whole, wherever tokens and packets are cut."""
    heard = await answered(subject, _FOREIGN, Sampling(max_tokens=96, temperature=0.0))
    if _REPLACED in heard.text:
        at = heard.text.index(_REPLACED)
        raise Violated(f"a character was broken: {heard.text[max(0, at - 20) : at + 20]!r}")
    if any(_half(character) for character in heard.text):
        raise Violated("half a surrogate pair came")
    beyond = {character for character in heard.text if not character.isascii()}
    if not beyond:
        raise Skipped(f"the answer has only ASCII: {heard.text[:60]!r}")
    return f"{len(beyond)} different characters beyond ASCII came whole"


def _half(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def _inner_word(text: str) -> str:
    """A word that first stands somewhere behind the beginning. Raises `Skipped` when there is none."""
    words = text.split()
    for index, word in enumerate(words[2:-1], 2):
        if word not in " ".join(words[:index]) and word.isalnum():
            return word
    raise Skipped(f"the answer is too short to be stopped within: {text[:60]!r}")
