"""Text to MiniLM's word pieces; thread-safe, since nothing of the tokenizer is changed after loading."""

from importlib.resources import files

from tokenizers import Tokenizer

MAX_TOKENS = 256
_SEP = 102
# Far past 256 tokens of any language; without it one endless word would be read to its end only to be cut.
_MAX_CHARS = 100 * MAX_TOKENS


class WordPieces:
    """The tokenizer that the model was trained with, shipped beside this file.

    The file asks for 128 tokens and padding to as many; both are switched off here, the model takes 256.
    """

    def __init__(self) -> None:
        self._tokenizer = Tokenizer.from_str(files(__package__).joinpath("tokenizer.json").read_text("utf-8"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def ids(self, text: str) -> list[int]:
        """[CLS] … [SEP], at most `MAX_TOKENS` of them; what is over is cut."""
        found: list[int] = self._tokenizer.encode(_whole(text[:_MAX_CHARS])).ids
        return found if len(found) <= MAX_TOKENS else [*found[: MAX_TOKENS - 1], _SEP]

    def count(self, text: str) -> int:
        """Tokens of all of `text`, without [CLS] and [SEP]."""
        return len(self._tokenizer.encode(_whole(text), add_special_tokens=False).ids)


def _whole(text: str) -> str:
    """Half a surrogate pair is no character, and the tokenizer would refuse the whole text for it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
