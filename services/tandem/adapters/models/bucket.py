"""A prefix of a bucket: its version is the digest of what the store says of the objects below it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tandem.adapters.models.described import (
    CARD,
    CONFIG,
    MOST_BYTES,
    ancestry_of,
    chosen,
    place_in,
    shape_of,
    unwritten,
)
from tandem.domain.errors import ConfigurationError, PermissionDenied, TandemError, UnknownModel, UpstreamUnavailable
from tandem.domain.model_version import ModelFile, ModelVersion, digest_of
from tandem.ports.models import Tell

# By scheme, where it is not an extra of ours.
_PACKAGES = {"gs": "gcsfs", "abfs": "adlfs", "abfss": "adlfs"}
_SAY = ("ETag", "etag", "md5Hash", "content_md5", "generation")


class BucketModel:
    """`ports/models.py` for `s3://BUCKET/PREFIX`. Credentials and the endpoint come from where the store's own library
    looks for them (for S3 the AWS variables, profiles and roles). `digest` of a file is the store's own mark of it.
    """

    def __init__(self, name: str, url: str, file: str = "") -> None:
        self._name = name
        self._url = url.rstrip("/")
        self._file = file

    async def resolve(self) -> ModelVersion:
        """One listing."""
        return await asyncio.to_thread(self._resolve)

    async def pull(self, version: ModelVersion, folder: str, tell: Tell) -> None:
        """Every object, of several weights the one that was named; raises `UnknownModel` when they are others by now."""
        await asyncio.to_thread(self._pull, version, Path(folder), tell)

    def _resolve(self) -> ModelVersion:
        with _told(self._url):
            files, found = self._listed()
            config, card = (self._text(files, found, name) for name in (CONFIG, CARD))
        listed = chosen([each for each, _ in found], self._file, self._url)
        if not any(each.format for each in listed):
            raise UnknownModel(
                f"There are no weights below {self._url}.", hint="Name the prefix with the .safetensors or .gguf.", param="model"
            )  # fmt: skip
        return ModelVersion(
            self._name, self._url, "", digest_of(listed), self._url, listed, ancestry_of(card), shape_of(config)
        )

    def _listed(self) -> tuple[Any, list[tuple[ModelFile, str]]]:
        try:
            from fsspec.core import url_to_fs

            files, root = url_to_fs(self._url, skip_instance_cache=True, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            package = _PACKAGES.get(self._url.partition("://")[0], "'tandem-rag[objects]'")
            raise ConfigurationError(
                f"{self._url} needs a package that is not there.", hint=f"pip install {package}"
            ) from error
        found = []
        for path, info in sorted(files.find(root, detail=True).items()):
            mark = next((str(info[key]).strip('"') for key in _SAY if info.get(key)), None)
            found.append((ModelFile(path[len(root) :].strip("/"), info.get("size"), mark), path))
        return files, found

    def _text(self, files: Any, found: list[tuple[ModelFile, str]], name: str) -> bytes | None:
        path = next((path for each, path in found if each.path == name), None)
        return None if path is None else bytes(files.cat_file(path, end=MOST_BYTES))

    def _pull(self, version: ModelVersion, folder: Path, tell: Tell) -> None:
        with _told(self._url):
            files, found = self._listed()
            listed = chosen([each for each, _ in found], self._file, self._url)
            if digest_of(listed) != version.version:
                raise UnknownModel(
                    f"{self._url} has changed since it was looked at.", hint="Pull it again.", param="model"
                )
            paths = {each.path: path for each, path in found}
            total, done = sum(each.size or 0 for each in listed), 0
            for each in listed:
                files.get_file(paths[each.path], str(place_in(folder, each.path)))
                done += each.size or 0
                tell(done, total)


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except TandemError:
        raise
    except Exception as error:  # each store raises errors of its own
        raise (unwritten(error) or _as_ours(error, url)) from error


def _as_ours(error: Exception, url: str) -> TandemError:
    if isinstance(error, FileNotFoundError):
        return UnknownModel(f"There is nothing at {url}.", hint="Check the bucket and the prefix.", param="model")
    # Where there are none, S3's own library has an error of its own.
    if isinstance(error, PermissionError) or "credentials" in str(error).lower():
        return PermissionDenied(
            f"{url} may not be read: {_line(error)}",
            hint="Check the credentials (for S3: AWS_PROFILE, AWS_ACCESS_KEY_ID, or the role).",
        )
    return UpstreamUnavailable(
        f"{url} cannot be read: {_line(error)}",
        hint="Check the network and the endpoint (for S3: AWS_ENDPOINT_URL).",
    )


def _line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
