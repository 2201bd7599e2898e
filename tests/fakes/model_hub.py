"""The Hugging Face Hub's API over a few repositories, on loopback: info, access, files."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from fakes.live_http import Silent, live_http


@dataclass(frozen=True, slots=True)
class Repository:
    """`refs` name commits; every commit has the same files. A gated one is read with `readers`' tokens, a private one seen with them."""

    files: Mapping[str, bytes]
    refs: Mapping[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False
    readers: tuple[str, ...] = ()

    @property
    def commit(self) -> str:
        return sha1(b"".join(self.files.values())).hexdigest()

    def resolve(self, revision: str) -> str | None:
        known = {"main": self.commit, **self.refs}
        return revision if revision in known.values() else known.get(revision)


@contextmanager
def model_hub(repositories: Mapping[str, Repository]) -> Iterator[str]:
    """Its URL, for HF_ENDPOINT."""

    class Handler(Silent):
        def do_GET(self) -> None:
            path = unquote(self.path.partition("?")[0])
            name = next((each for each in repositories if f"/{each}/" in f"{path}/"), None)
            if name is None:
                self._failed(404, "RepoNotFound", "Repository not found")
                return
            found = repositories[name]
            token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
            if found.private and token not in found.readers:
                self._failed(401, "RepoNotFound", "Repository not found")
                return
            if path.startswith("/api/models/"):
                self._api(name, found, path.removeprefix(f"/api/models/{name}"), token)
            else:
                self._file(name, found, path.removeprefix(f"/{name}/resolve/"), token)

        do_HEAD = do_GET

        def _api(self, name: str, found: Repository, rest: str, token: str) -> None:
            if rest == "/auth-check":
                if found.gated and token not in found.readers:
                    self._failed(403 if token else 401, "GatedRepo", f"Access to model {name} is restricted.")
                    return
                self._json({})
                return
            commit = found.resolve(rest.removeprefix("/revision/") or "main")
            if commit is None:
                self._failed(404, "RevisionNotFound", "Invalid rev id")
                return
            siblings = [
                {"rfilename": path, "size": len(content), "blobId": "0"}
                | ({"lfs": {"sha256": sha256(content).hexdigest(), "size": len(content), "pointerSize": 1}} if path.endswith((".safetensors", ".gguf")) else {})
                for path, content in found.files.items()
            ]  # fmt: skip
            gated = "manual" if found.gated else False
            self._json({"id": name, "sha": commit, "gated": gated, "private": found.private, "siblings": siblings})

        def _file(self, name: str, found: Repository, rest: str, token: str) -> None:
            revision, _, path = rest.partition("/")
            if found.gated and token not in found.readers:
                self._failed(403 if token else 401, "GatedRepo", f"Access to model {name} is restricted.")
            elif path not in found.files:
                self._failed(404, "EntryNotFound", "Entry not found")
            else:
                content = found.files[path]
                self.say(
                    200, content, etag=f'"{sha256(content).hexdigest()}"', x_repo_commit=found.resolve(revision) or ""
                )

        def _failed(self, status: int, code: str, message: str) -> None:
            self.say(status, x_error_code=code, x_error_message=message)

        def _json(self, told: Any) -> None:
            self.say(200, json.dumps(told).encode(), content_type="application/json")

    with live_http(Handler) as url:
        yield url


def use_hub(monkeypatch: pytest.MonkeyPatch, url: str, home: Path) -> None:
    """What HF_ENDPOINT and HF_HOME set when huggingface_hub is imported."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
