"""What PromQL text names: series with their label matchers, as far as checking names against the code needs it."""

import re
from collections.abc import Iterator

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_SELECTOR = re.compile(r"(?<![\w:$.])([a-zA-Z_:][\w:]*)\s*(?:\{([^{}]*)\})?(?!\s*\(|[\w:])")
_MATCHER = re.compile(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)")
_WORDS = frozenset({"and", "or", "unless", "offset", "bool", "inf", "nan"})
# Grafana's own: no series.
_VARIABLES = re.compile(r"\$\{?\w+\}?")
_DURATION = re.compile(r"\[[^\]]*\]")


def series(expression: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Every series in it, with the names of the labels it is selected by."""
    bare = _DURATION.sub("", _STRING.sub('""', expression))
    bare = _VARIABLES.sub("", _GROUPING.sub("", bare))
    for name, matchers in _SELECTOR.findall(bare):
        if name not in _WORDS and not re.fullmatch(r"\d+[smhd]", name):
            yield name, frozenset(_MATCHER.findall(matchers))


def groupings(expression: str) -> set[str]:
    """Every label that it groups or joins by."""
    return {label.strip() for group in _GROUPING.findall(expression) for label in group.split(",") if label.strip()}
