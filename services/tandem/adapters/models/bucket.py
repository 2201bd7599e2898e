"""A prefix of a bucket: its version is the digest of what the store says of the objects below it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tandem.adapters.models.described import CARD, CONFIG, MOST_BYTES, ancestry_of, shape_of
from tandem.domain.errors import ConfigurationError, PermissionDenied, TandemError, UnknownModel, UpstreamUnavailable
from tandem.domain.model_version import ModelFile, ModelVersion, digest_of
from tandem.ports.models import Tell

_SAY = ("ETag", "etag", "md5Hash", "content_md5", "generation")


class BucketModel:
    """`ports/models.py` for `s3://BUCKET/PREFIX`. Credentials and the endpoint come from where the store's own library
    looks for them (for S3 the AWS variables, profiles and roles). `digest` of a file is the store's own mark of it.
    """

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._url = url.rstrip("/")

    async def resolve(self) -> ModelVersion:
        """One listing."""
        return await asyncio.to_thread(self._resolve)

    async def pull(self, version: ModelVersion, folder: str, tell: Tell) -> None:
        """Every object; raises `UnknownModel` when they are others by now."""
        await asyncio.to_thread(self._pull, version, Path(folder), tell)

    def _resolve(self) -> ModelVersion:
        with _told(self._url):
            files, found = self._listed()
            config, card = (self._text(files, found, name) for name in (CONFIG, CARD))
        listed = tuple(each for each, _ in found)
        if not any(each.format for each in listed):
            raise UnknownModel(
                f"There are no weights below {self._url}.", hint="Name the prefix with the .safetensors or .gguf.", param="model"
            )  # fmt: skip
        return ModelVersion(
            self._name, self._url, "", digest_of(listed), self._url, listed, ancestry_of(card), shape_of(config)
        )

    def _listed(self) -> tuple[Any, list[tuple[ModelFile, str]]]:
        try:
            import fsspec

            files = fsspec.filesystem(self._url.partition("://")[0], skip_instance_cache=True, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(
                f"{self._url} needs a package that is not there.", hint="pip install 'tandem-rag[objects]'"
            ) from error
        root = self._url.partition("://")[2]
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
            if digest_of([each for each, _ in found]) != version.version:
                raise UnknownModel(
                    f"{self._url} has changed since it was looked at.", hint="Pull it again.", param="model"
                )
            total, done = sum(each.size or 0 for each, _ in found), 0
            for each, path in found:
                target = folder / each.path
                target.parent.mkdir(parents=True, exist_ok=True)
                files.get_file(path, str(target))
                done += each.size or 0
                tell(done, total)


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except TandemError:
        raise
    except FileNotFoundError as error:
        raise UnknownModel(
            f"There is nothing at {url}.", hint="Check the bucket and the prefix.", param="model"
        ) from error
    except PermissionError as error:
        raise PermissionDenied(
            f"{url} may not be read: {_line(error)}",
            hint="Check the credentials (for S3: AWS_PROFILE, AWS_ACCESS_KEY_ID).",
        ) from error
    except Exception as error:  # each store raises errors of its own
        raise UpstreamUnavailable(
            f"{url} cannot be read: {_line(error)}",
            hint="Check the network and the endpoint (for S3: AWS_ENDPOINT_URL).",
        ) from error


def _line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
