"""Logs in the settings."""

from typing import Literal

from pydantic import Field

from tandem.app.group import Group
from tandem.http.access_rule import AccessRule


class Log(Group):
    """Logging to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe line to write."""
    format: Literal["text", "json"] = "text"
    """`json`: one object per line."""
    access_share: float = Field(default=1.0, ge=0, le=1)
    """Share of the requests that went well (below 400) that get a line; the trace's id decides, alike in all processes."""
    access_per_s: int | None = Field(default=None, ge=1)
    """Lines of requests that did not fail (below 500) in a second, at most; unset: no limit. What is left out is counted."""
    queue_lines: int = Field(default=10_000, ge=100)
    """Lines that wait for whoever reads stderr; more are lost, and counted, rather than hold anybody up."""
    content: bool = False
    """Write the messages of unforeseen errors, too, which may quote a question, a passage or an answer."""

    def access(self) -> AccessRule:
        """What is written of requests."""
        return AccessRule(self.access_share, self.access_per_s)
