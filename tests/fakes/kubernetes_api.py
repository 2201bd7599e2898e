"""An API server that repeats what a real one once answered; without an answer on record it says 404, as real ones do."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import yaml

from fakes.live_http import Silent, live_http


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered; `body` is text where it was no JSON."""

    status: int
    body: Any

    def content(self) -> bytes:
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass(frozen=True, slots=True)
class Recording:
    """Replies by path with query, not quoted; `date` is the clock of that server."""

    date: str
    replies: Mapping[str, Reply]

    @classmethod
    def read(cls, file: Path) -> "Recording":
        stored = json.loads(file.read_text(encoding="utf-8"))
        replies = {path: Reply(reply["status"], reply["body"]) for path, reply in stored["replies"].items()}
        return cls(stored["date"], replies)

    def write(self, file: Path) -> None:
        replies = {path: {"status": each.status, "body": each.body} for path, each in sorted(self.replies.items())}
        stored = {"date": self.date, "replies": replies}
        file.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def without(self, *groups: str) -> "Recording":
        """The same cluster, had these API groups never been installed."""
        apis = self.replies["/apis"].body
        kept = {**apis, "groups": [group for group in apis["groups"] if group["name"] not in groups]}
        gone = tuple(f"/apis/{group}/" for group in groups)
        replies = {path: reply for path, reply in self.replies.items() if not path.startswith(gone)}
        return Recording(self.date, replies | {"/apis": Reply(200, kept)})

    def with_reply(self, path: str, reply: Reply) -> "Recording":
        """The same cluster with another answer at that path, whatever the query."""
        others = {each: old for each, old in self.replies.items() if each.partition("?")[0] != path}
        asked = [each for each in self.replies if each.partition("?")[0] == path]
        return Recording(self.date, others | dict.fromkeys(asked or [path], reply))


@contextmanager
def api_server(recording: Recording, *, token: str = "let-me-in") -> Iterator[str]:
    """Its URL. Whoever comes without the token gets 401."""

    class Handler(_Replaying):
        replies = recording.replies
        date = recording.date
        authorization = f"Bearer {token}"

    with live_http(Handler) as url:
        yield url


def kubeconfig(folder: Path, url: str, *, token: str = "let-me-in", namespace: str = "prod") -> Path:
    """A file with one context, called test."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


class _Replaying(Silent):
    replies: ClassVar[Mapping[str, Reply]] = {}
    date: ClassVar[str] = ""
    authorization: ClassVar[str] = ""

    def do_GET(self) -> None:
        absent = Reply(404, {"kind": "Status", "message": f"nothing at {self.path}"})
        unknown = Reply(401, {"kind": "Status", "message": "Unauthorized"})
        known = self.headers.get("authorization") == self.authorization
        reply = self.replies.get(unquote(self.path), absent) if known else unknown
        self.say(reply.status, reply.content(), date=self.date)
