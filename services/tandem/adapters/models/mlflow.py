"""MLflow's model registry, over its REST API: a version by number or alias, with the run and the data sets behind it.

Its Python client is not used: it brings 100 MB for five requests.
"""

import re
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from tandem.adapters.models.bucket import BucketModel
from tandem.adapters.models.described import CARD, CONFIG, MOST_BYTES, ancestry_of, chosen, place_in, shape_of
from tandem.domain.errors import ConfigurationError, PermissionDenied, UnknownModel, UpstreamUnavailable
from tandem.domain.model_version import Ancestry, ModelFile, ModelVersion, Shape, digest_of
from tandem.ports.models import Tell

_SOURCE = re.compile(r"mlflow://(?P<model>[^/@]+)(?:/(?P<version>[0-9]+)|@(?P<alias>[^/@]+))?")
_API = "/api/2.0/mlflow"
_PROXIED = "mlflow-artifacts:/"
_BUCKET = ("s3://", "gs://", "abfs://", "abfss://")
# Those of them that KServe reads by the same address.
_SERVED = ("s3://", "gs://")
_ANSWER_S = 30.0
_CHUNK = 1 << 20
_UNSERVED = "KServe does not read {}: say in served_from where the cluster has the same files"


class MlflowModel:
    """`ports/models.py` for `mlflow://NAME[/VERSION|@ALIAS]` at `server`; without either, the newest version."""

    def __init__(self, name: str, source: str, server: str | None, token: str | None, file: str = "") -> None:
        found = _SOURCE.fullmatch(source)
        if found is None:
            raise ConfigurationError(
                f"{source} names no model of MLflow.", hint="Write mlflow://NAME, mlflow://NAME/VERSION or mlflow://NAME@ALIAS."
            )  # fmt: skip
        if server is None:
            raise ConfigurationError(
                f"models.{name} does not say which MLflow.", hint=f"Set models.{name}.server, such as http://mlflow:5000."
            )  # fmt: skip
        if "@" in server.partition("://")[2].partition("/")[0]:
            raise ConfigurationError(
                f"models.{name}.server holds a password, which anybody may see there.",
                hint=f"Put USER:PASSWORD into models.{name}.server_token.",
            )
        self._name = name
        self._model, self._version, self._alias = found["model"], found["version"], found["alias"]
        self._server = server.rstrip("/")
        self._token = token
        self._file = file

    async def resolve(self) -> ModelVersion:
        """The version, the run that made it, and what the run says that it read."""
        async with self._asking() as ask:
            found = await self._found(ask)
            run = await self._run(ask, str(found.get("run_id") or ""))
            where = await ask("model-versions/get-download-uri", name=self._model, version=found["version"])
            uri = str(where["artifact_uri"])
            files, ancestry, shape = await self._described(ask, uri)
        served = uri.startswith(_SERVED)
        return ModelVersion(
            self._name, f"mlflow://{self._model}", self._alias or self._version or "", str(found["version"]),
            uri if served else "", files, run.over(ancestry), shape, unserved="" if served else _UNSERVED.format(uri),
        )  # fmt: skip

    async def pull(self, version: ModelVersion, folder: str, tell: Tell) -> None:
        """Through the server, or from the bucket that it names."""
        async with self._asking() as ask:
            where = await ask("model-versions/get-download-uri", name=self._model, version=version.version)
            uri = str(where["artifact_uri"])
            if uri.startswith(_BUCKET):
                seen = replace(version, version=digest_of(version.files))
                await BucketModel(self._name, uri, self._file).pull(seen, folder, tell)
                return
            if not uri.startswith(_PROXIED):
                raise ConfigurationError(
                    f"MLflow keeps {self._model} at {uri}, and does not hand it out.",
                    hint="Start its server with --artifacts-destination, or keep the model in a bucket.",
                )
            total, done = sum(each.size or 0 for each in version.files), 0
            for each in version.files:
                with place_in(Path(folder), each.path).open("wb") as file:
                    async for chunk in ask.content(f"{_root(uri)}/{each.path}"):
                        file.write(chunk)
                        done += len(chunk)
                        tell(done, total)

    async def _found(self, ask: "_Asking") -> Mapping[str, Any]:
        if self._alias:
            said = await ask("registered-models/alias", name=self._model, alias=self._alias)
            return dict(said["model_version"])
        if self._version:
            said = await ask("model-versions/get", name=self._model, version=self._version)
            return dict(said["model_version"])
        escaped = self._model.replace("'", "\\'")
        said = await ask(
            "model-versions/search", filter=f"name='{escaped}'", order_by="version_number DESC", max_results="1"
        )
        if not said.get("model_versions"):
            raise UnknownModel(f"MLflow has no version of {self._model}.", hint="Register one first.", param="model")
        return dict(said["model_versions"][0])

    async def _run(self, ask: "_Asking", run_id: str) -> Ancestry:
        """A run may have been deleted: then its id is all that is left."""
        if not run_id:
            return Ancestry()
        try:
            run = (await ask("runs/get", run_id=run_id))["run"]
        except UnknownModel:
            return Ancestry(training_run=run_id)
        read = [each["dataset"] for each in (run.get("inputs") or {}).get("dataset_inputs") or ()]
        told = ", ".join(f"{each['name']}@{each['digest']}" for each in read)
        return Ancestry(dataset=told or None, training_run=run_id)

    async def _described(self, ask: "_Asking", uri: str) -> tuple[tuple[ModelFile, ...], Ancestry, Shape | None]:
        if uri.startswith(_BUCKET):
            found = await BucketModel(self._name, uri, self._file).resolve()
            return found.files, found.ancestry, found.shape
        if not uri.startswith(_PROXIED):
            return (), Ancestry(), None
        root = _root(uri)
        files = tuple([each async for each in ask.files(root, "")])
        # The model lies below, where MLflow's own flavour has written it.
        named = {each.path.rpartition("/")[2]: each for each in files if (each.size or 0) <= MOST_BYTES}
        config, card = [
            b"".join([chunk async for chunk in ask.content(f"{root}/{named[name].path}")]) if name in named else None
            for name in (CONFIG, CARD)
        ]
        return chosen(files, self._file, f"{self._model} of MLflow"), ancestry_of(card), shape_of(config)

    @asynccontextmanager
    async def _asking(self) -> "AsyncIterator[_Asking]":
        headers = {"authorization": _shown(self._token)} if self._token else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_ANSWER_S)
        try:
            async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
                yield _Asking(session, self._server)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpstreamUnavailable(
                f"No MLflow answers at {self._server}: {' '.join(str(error).split()) or type(error).__name__}.",
                hint=f"Check models.{self._name}.server.",
            ) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UpstreamUnavailable(
                f"{self._server} does not answer as MLflow does.", hint="Check the server's address."
            ) from error


class _Asking:
    """One conversation with a server."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server

    async def __call__(self, path: str, **query: Any) -> Mapping[str, Any]:
        return await self._json(f"{self._server}{_API}/{path}", {key: str(value) for key, value in query.items()})

    async def files(self, root: str, below: str) -> AsyncIterator[ModelFile]:
        """Of a folder of artifacts, and all below it."""
        place = f"{root}/{below}".rstrip("/")
        said = await self._json(f"{self._server}{_API}-artifacts/artifacts", {"path": place})
        for each in said.get("files") or ():
            path = f"{below}/{each['path']}".lstrip("/")
            if each.get("is_dir"):
                async for deeper in self.files(root, path):
                    yield deeper
            else:
                yield ModelFile(path, int(each.get("file_size") or 0))

    async def content(self, path: str) -> AsyncIterator[bytes]:
        """Of one artifact."""
        async with self._session.get(f"{self._server}{_API}-artifacts/artifacts/{quote(path)}") as reply:
            await self._checked(reply)
            async for chunk in reply.content.iter_chunked(_CHUNK):
                yield chunk

    async def _json(self, url: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        async with self._session.get(url, params=query) as reply:
            await self._checked(reply)
            return dict(await reply.json(content_type=None))

    async def _checked(self, reply: aiohttp.ClientResponse) -> None:
        if reply.status == 200:
            return
        try:
            said = str((await reply.json(content_type=None)).get("message", ""))
        except (ValueError, AttributeError):
            said = f"status {reply.status}"
        told = " ".join(said.split())[:200]
        if reply.status in {401, 403}:
            raise PermissionDenied(f"MLflow does not let us: {told}", hint="Set models.NAME.server_token.")
        if reply.status in {400, 404}:
            raise UnknownModel(
                f"MLflow: {told}", hint="Check the model's name, and its version or alias.", param="model"
            )
        raise UpstreamUnavailable(f"MLflow answers {reply.status}: {told}", hint="Try again in a while.")


def _shown(token: str) -> str:
    """A user with a password has a colon in it, a token has none."""
    return f"Basic {b64encode(token.encode()).decode()}" if ":" in token else f"Bearer {token}"


def _root(uri: str) -> str:
    """The path below the server's artifacts, whether or not the URI names the host again."""
    return re.sub(r"^mlflow-artifacts:(//[^/]+)?/", "", uri).rstrip("/")
