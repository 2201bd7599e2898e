"""The line of a log that tells most about an end."""

import json

_NOTHING = "(nothing)"
_ERROR = "error: "
_HINT = "hint: "


def last_words(log: str) -> str:
    """Tandem's own error line where there is one, else the last line written as an error, else the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in reversed(lines):
        if line.startswith(_ERROR):
            return _message_at(lines, line)
    for line in reversed(lines):
        level, message = _taken_apart(line)
        if level in {"error", "critical", "fatal"}:
            return message
    return _taken_apart(lines[-1])[1] if lines else _NOTHING


def hint(log: str) -> str:
    """The hint that Tandem writes under its error; empty when there is none."""
    lines = [line.strip() for line in log.splitlines()]
    found = [line.removeprefix(_HINT) for line in lines if line.startswith(_HINT)]
    return found[-1] if found else ""


def _message_at(lines: list[str], line: str) -> str:
    """An error may go on over several lines, up to the hint or the end."""
    rest = lines[len(lines) - lines[::-1].index(line) :]
    more = []
    for each in rest:
        if each.startswith(_HINT):
            break
        more.append(each)
    return " ".join([line.removeprefix(_ERROR), *more])


def _taken_apart(line: str) -> tuple[str, str]:
    """Level and message of a line; engines write JSON, each with names of its own."""
    try:
        record = json.loads(line)
    except ValueError:
        return ("error" if " ERROR " in f" {line} " else ""), line
    if not isinstance(record, dict):
        return "", line
    fields = record.get("fields")
    message = (
        record.get("message") or record.get("event") or (fields.get("message") if isinstance(fields, dict) else "")
    )
    return str(record.get("level", "")).lower(), " ".join(str(message or line).split())
