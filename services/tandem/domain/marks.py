"""What a text may hold that a model would take for more than text: turns of the conversation, tags of the prompt."""

import re

from tandem.domain.unseen import without_unseen

# Also as wide as a Chinese character, which tokenizers that normalise make the same.
_WIDE = "<\uff1c\ufe64"
_LESS = f"[{_WIDE}]"
_BAR = "[|\uff5c]"
# Blanks do not make it another tag to a model.
_TAG = re.compile(rf"{_LESS}(?=\s*/?\s*(?:passages?|question|conversation)(?![a-z]))", re.IGNORECASE)
# The marks by which chat templates tell turns, tools and thoughts apart: ChatML, Llama, Mistral, Gemma, Phi, Qwen,
# DeepSeek, Command R, GLM. Engines read them as such wherever they stand in a message.
_ANGLED = (
    rf"{_BAR}|/?s>|/?(?:bos|eos|eot|eop|sop)(?:_token)?>|(?:start|end)_of_\w+>|/?{_LESS}/?sys"
    r"|/?(?:think|tool_calls?|tool_response|system|assistant|instructions?)>|\w+_token\|?>|reserved_\w+>|unused\d+>"
    r"|extra_id_\d+>"
)
_SQUARED = (
    r"/?inst\]|/?sys(?:tem)?_?(?:prompt)?\]|/?available_tools\]|/?tool_(?:calls?|results?|content)\]|/?think\]"
    r"|/?model_settings\]|img(?:_break|_end)?\]|g?mask\]|/?prefix\]|/?suffix\]|/?middle\]|args\]"
)
# One class at its beginning, so that a text without brackets is gone through at once.
_TURN = re.compile(rf"[\[{_WIDE}](?:(?<!\[)(?={_ANGLED})|(?<=\[)(?={_SQUARED}))", re.IGNORECASE)
# Looks the same to a reader, and is no tag to a parser or a model that was told about tags.
_BRACKET = "\N{LEFT SQUARE BRACKET WITH QUILL}"
_LEFT = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"
# A line that begins as a turn does in a transcript; Alpaca, Vicuna and plain completion models know no other mark. In small
# letters it is a line of YAML rather than a turn.
_SPEAKER = r"(?:[ \t]+(?i:message|prompt|note|override|update|instructions?))?[ \t]*(?:\*{1,2}|\]|\))?[ \t]*[:\uff1a]"
_ROLE = re.compile(
    r"^(?=[ \t]*(?:(?:\*{1,2}|\[|\()?(?:S(?:ystem|YSTEM)|A(?:ssistant|SSISTANT)|U(?:ser|SER)|H(?:uman|UMAN)|D(?:eveloper|EVELOPER)|AI)"
    r"|#{1,6}[ \t]*(?i:system|assistant|user|human|ai|instructions?|response|input|output))" + _SPEAKER + ")",
    re.MULTILINE,
)
_QUOTED = "> "


def defused(text: str) -> str:
    """The text without invisible characters, in which no mark tells a tag or a turn of the conversation."""
    seen = without_unseen(text)
    return _TURN.sub(_harmless, _TAG.sub(_LEFT, seen))


def defused_passage(text: str) -> str:
    """The same of a document's text, where lines that begin as a turn are quoted besides."""
    return _ROLE.sub(_QUOTED, defused(text))


def holds_turns(text: str) -> bool:
    """True when the text, without invisible characters, holds a mark of a chat template."""
    return _TURN.search(text) is not None


def holds_tags(text: str) -> bool:
    """True when the text, without invisible characters, holds a tag of our own prompts."""
    return _TAG.search(text) is not None


def _harmless(mark: re.Match[str]) -> str:
    return _BRACKET if mark[0] == "[" else _LEFT
