"""Takes out of texts what must not be kept: `[email]` stands where an address stood."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from tandem.pipeline.privacy.finding import Detector, Find, compiled


@dataclass(frozen=True, slots=True)
class Redacted:
    """The text that may be kept, and what was taken out, in order; positions are characters of the text as it was."""

    text: str
    taken: tuple[Find, ...] = ()

    def moved(self, at: int) -> int:
        """Where the character stands now; within what was taken out: where its stand-in begins."""
        index = bisect_right(self.taken, at, key=lambda find: find.start)
        shift = sum(len(find.kind) + 2 - (find.end - find.start) for find in self.taken[:index])
        if index and at < self.taken[index - 1].end:
            last = self.taken[index - 1]
            return last.start + shift - (len(last.kind) + 2 - (last.end - last.start))
        return at + shift


class Redaction:
    """Detectors in the order of their rights: where two overlap, the earlier one's name is put there.

    One pass of all patterns as one tells that most texts hold nothing; else each pattern tells whether to look closer.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = tuple((detector, compiled(detector.pattern)) for detector in detectors)
        self._any = compiled("|".join(f"(?:{detector.pattern})" for detector in detectors)) if detectors else None

    def clean(self, text: str) -> Redacted:
        """The text without them."""
        if self._any is None or not text:
            return Redacted(text)
        raw = text.encode("utf-8", "replace")
        if self._any.search(raw) is None:
            return Redacted(text)
        finds = self._finds(raw)
        return _without(raw, finds) if finds else Redacted(text)

    def _finds(self, raw: bytes) -> list[Find]:
        kept: list[Find] = []
        taken = bytearray(len(raw))
        for detector, gate in self._detectors:
            for find in detector.find(raw) if gate.search(raw) is not None else ():
                if taken.find(1, find.start, find.end) < 0:
                    taken[find.start : find.end] = b"\x01" * (find.end - find.start)
                    kept.append(find)
        return sorted(kept, key=lambda find: find.start)


def _without(raw: bytes, finds: list[Find]) -> Redacted:
    parts: list[str] = []
    taken: list[Find] = []
    at = chars = 0
    for find in finds:
        between = raw[at : find.start].decode()
        length = len(raw[find.start : find.end].decode())
        chars += len(between)
        parts += (between, f"[{find.kind}]")
        taken.append(Find(find.kind, chars, chars + length))
        chars += length
        at = find.end
    return Redacted("".join((*parts, raw[at:].decode())), tuple(taken))
