"""The lines of a text file with where they stand, so that whatever is wrong with one can be told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tandem.domain.errors import InvalidRequest


def lines(file: Path, layout: str) -> Iterator[tuple[str, str]]:
    """Where each line stands, and the line; empty ones are left out.

    Raises `InvalidRequest` for what is no readable UTF-8 file; `layout` is its hint.
    """
    try:
        # Not `splitlines`: JSON may hold U+2028 and other separators inside a text.
        for number, line in enumerate(file.read_text(encoding="utf-8-sig").split("\n"), 1):
            if line.strip():
                yield f"{file.name}, line {number}", line.rstrip("\r")
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}.", hint=layout) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{file} is not UTF-8.", hint=layout) from error


def objects(file: Path, layout: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same for JSON Lines. Raises `InvalidRequest` that names the line that is no JSON object."""
    for where, line in lines(file, layout):
        try:
            found = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            told = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
            raise InvalidRequest(f"{where}: not JSON ({told}).", hint=layout) from error
        if not isinstance(found, dict):
            raise InvalidRequest(f"{where}: not an object.", hint=layout)
        yield where, found


def text(where: str, line: dict[str, Any], key: str, layout: str) -> str:
    """What stands under `key`. Raises `InvalidRequest` when that is no text."""
    value = line.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(f"{where}: {key!r} is missing, empty or no string.", hint=layout)
    return value


def texts(where: str, line: dict[str, Any], key: str, layout: str) -> tuple[str, ...]:
    """The texts of the list under `key`, none when there is no such key. Raises `InvalidRequest` for anything else."""
    value = line.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
        raise InvalidRequest(f"{where}: {key!r} is no list of texts.", hint=layout)
    return tuple(value)
