"""The text of a chunk as it is embedded: with the headings it stands under, since it seldom repeats them."""

from tandem.domain.document import Chunk
from tandem.ingestion.chunking import CountTokens

_JOINT = " > "
# What a model adds around a text ([CLS], [SEP]) and the break between path and chunk.
_RESERVE = 4


def contextual_text(chunk: Chunk, count_tokens: CountTokens, max_tokens: int) -> str:
    """`Title > Heading` on a line of its own, then the chunk.

    The path gives way when both do not fit `max_tokens`: its outermost titles go first, so that the chunk itself is
    never cut.
    """
    room = max_tokens - chunk.tokens - _RESERVE
    path = chunk.title_path
    while path:
        line = _JOINT.join(path)
        if count_tokens(line) <= room:
            return f"{line}\n{chunk.text}"
        path = path[1:]
    return chunk.text
