"""How many tokens a text is to a model that runs elsewhere: by its own tokenizer, or by an estimate that is rather too high."""

import hashlib
import re
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer

from tandem.adapters.embeddings.minilm.wordpieces import WordPieces
from tandem.domain.errors import ConfigurationError

# A run of ASCII letters, one digit, or any other character that is not white space.
_PIECE = re.compile(r"[A-Za-z]+|[^\sA-Za-z]")
# Vocabularies of 30,000 and more hold most words whole, and cut rare ones into pieces of about this many letters.
_LETTERS_PER_TOKEN = 4
# Written without spaces or rarely seen in training: a byte-level vocabulary may take each byte by itself.
_BEYOND = 0x2E80


class Counter(Protocol):
    """`name` is part of a collection's recipe, since it decides where documents are cut."""

    @property
    def name(self) -> str:
        """What counts, with its version."""
        ...

    def count(self, text: str) -> int:
        """Tokens of all of `text`, without special ones."""
        ...


class Estimate:
    """Counts a token for every four letters of a word, begun or whole, and for every digit, sign and character beyond
    ASCII; two for those of East Asia and for pictures.

    Held against the word pieces of BERT's vocabulary on English prose and code it is 1.1 to 1.5 times the true number,
    and on nearly no chunk below it: chunks get smaller than asked for rather than be cut by the server.
    """

    name = "estimate-1"

    def count(self, text: str) -> int:
        """An upper bound for nearly all texts."""
        return sum(_tokens(piece) for piece in _PIECE.findall(text))


def _tokens(piece: str) -> int:
    if piece.isascii():
        return -(-len(piece) // _LETTERS_PER_TOKEN)
    return 2 if ord(piece) >= _BEYOND else 1


class Tokens:
    """The model's own tokenizer, from a `tokenizer.json`."""

    def __init__(self, content: str) -> None:
        self.name = f"tokenizer-{hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
        try:
            self._tokenizer = Tokenizer.from_str(content)
        except Exception as error:  # the library raises Exception itself
            raise ConfigurationError(
                f"embedder.tokenizer names no tokenizer: {str(error)[:200]}.", hint="It has to be a tokenizer.json."
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def count(self, text: str) -> int:
        """Exact."""
        # Half a surrogate pair is no character, and the tokenizer would refuse the whole text for it.
        whole = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
        return len(self._tokenizer.encode(whole, add_special_tokens=False).ids)


class BertPieces:
    """BERT's uncased English vocabulary, which MiniLM, BGE, E5 and GTE share; it is shipped, so no hub is asked."""

    name = "bert-uncased"

    def __init__(self) -> None:
        self._pieces = WordPieces()

    def count(self, text: str) -> int:
        """Exact for those models."""
        return self._pieces.count(text)


def counter(tokenizer: str | None) -> Counter:
    """`bert-uncased`, a path to a tokenizer.json, or ORG/NAME[@REVISION] of the Hugging Face hub; None: an estimate.

    May read from the network: not for the event loop. Raises `ConfigurationError`.
    """
    if tokenizer is None:
        return Estimate()
    if tokenizer == BertPieces.name:
        return BertPieces()
    return Tokens(_content(tokenizer))


def _content(tokenizer: str) -> str:
    path = Path(tokenizer)
    if not path.exists() and re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w.-]+)?", tokenizer):
        path = _downloaded(*tokenizer.partition("@")[::2])
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"embedder.tokenizer: {tokenizer} cannot be read: {error}.",
            hint="Give a tokenizer.json, ORG/NAME of the hub, or bert-uncased.",
        ) from error


def _downloaded(repository: str, revision: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repository, "tokenizer.json", revision=revision or None))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        raise ConfigurationError(
            f"The tokenizer of {repository} cannot be had from the hub: {str(error).splitlines()[0][:200]}",
            hint="Download its tokenizer.json and set embedder.tokenizer to the file.",
        ) from error
