"""The Hugging Face Hub: a repository at a branch, a tag or a commit."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tandem.adapters.models.described import CARD, CONFIG, ancestry_of, chosen, place_in, shape_of, unwritten
from tandem.domain.errors import ConfigurationError, PermissionDenied, TandemError, UnknownModel, UpstreamUnavailable
from tandem.domain.model_version import ModelFile, ModelVersion
from tandem.ports.models import Tell

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_SOURCE = re.compile(r"hf://(?P<repo>[^/@:]+/[^/@:]+)(?:@(?P<revision>[^@:]+))?")
_ANSWER_S = 30.0


class HubModel:
    """`ports/models.py` for `hf://ORG/NAME[@REVISION]`. Token, cache and the hub's address are those of huggingface_hub:
    HF_TOKEN or `hf auth login`, HF_HOME, HF_ENDPOINT.
    """

    def __init__(self, name: str, source: str, file: str = "") -> None:
        found = _SOURCE.fullmatch(source)
        if found is None:
            raise ConfigurationError(f"{source} names no repository of the hub.", hint="Write hf://ORG/NAME@REVISION.")
        self._name = name
        self._source = source
        self._repo = found["repo"]
        self._revision = found["revision"] or ""
        self._file = file

    async def resolve(self) -> ModelVersion:
        """The commit that the revision is now."""
        return await asyncio.to_thread(self._resolve)

    async def pull(self, version: ModelVersion, folder: str, tell: Tell) -> None:
        """The weights of its format and what describes them; huggingface_hub resumes what was cut off."""
        await asyncio.to_thread(self._pull, version, folder, tell)

    def _resolve(self) -> ModelVersion:
        with _told(self._repo, self._revision):
            api = self._api()
            info = api.model_info(
                self._repo, revision=self._revision or None, files_metadata=True, timeout=_ANSWER_S
            )  # fmt: skip
            if info.gated:
                api.auth_check(self._repo)
            commit = info.sha or ""
            listed = tuple(
                ModelFile(each.rfilename, each.size, each.lfs.sha256 if each.lfs else None)
                for each in info.siblings or ()
            )
            config, card = (self._text(api, listed, commit, name) for name in (CONFIG, CARD))
        files = chosen(listed, self._file, f"The repository {self._repo}")
        uri = f"hf://{self._repo}@{commit}/{self._file}" if self._file else f"hf://{self._repo}:{commit}"
        return ModelVersion(
            self._name, f"hf://{self._repo}", self._revision, commit, uri, files,
            ancestry_of(card), shape_of(config), bool(info.gated or info.private),
        )  # fmt: skip

    def _text(self, api: "HfApi", files: tuple[ModelFile, ...], commit: str, name: str) -> str | None:
        if not any(each.path == name for each in files):
            return None
        return Path(api.hf_hub_download(self._repo, name, revision=commit)).read_text(
            encoding="utf-8", errors="replace"
        )

    def _pull(self, version: ModelVersion, folder: str, tell: Tell) -> None:
        kept = {each.path for each in version.weights} | {e.path for e in version.files if e.format is None}
        total, done = sum(each.size or 0 for each in version.files if each.path in kept), 0
        with _told(self._repo, version.version):
            api = self._api()
            for each in version.files:
                if each.path in kept:
                    place_in(Path(folder), each.path)
                    api.hf_hub_download(self._repo, each.path, revision=version.version, local_dir=folder)
                    done += each.size or 0
                    tell(done, total)

    def _api(self) -> "HfApi":
        from huggingface_hub import HfApi

        return HfApi(library_name="tandem")


@contextmanager
def _told(repo: str, revision: str) -> Iterator[None]:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError
    from huggingface_hub.errors import RevisionNotFoundError as NoRevision

    try:
        yield
    except TandemError:
        raise
    except GatedRepoError as error:
        raise _gated(repo, error) from error
    except RepositoryNotFoundError as error:
        raise UnknownModel(
            f"The hub has no model {repo}, or it is private and these credentials may not see it.",
            hint="Check the name; for a private one set HF_TOKEN to a token that may read it, or run hf auth login.",
            param="model",
        ) from error
    except NoRevision as error:
        raise UnknownModel(
            f"The model {repo} has no revision {revision or 'main'}.",
            hint=f"Name a branch, a tag or a commit: hf://{repo}@REVISION.",
            param="model",
        ) from error
    except HFValidationError as error:
        raise ConfigurationError(f"{repo} names no repository of the hub: {_line(error)}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in {401, 403}:
            raise PermissionDenied(f"The hub does not let us read {repo}: {_line(error)}", hint=_TOKEN) from error
        raise UpstreamUnavailable(f"The hub answers {status} for {repo}.", hint="Try again in a while.") from error
    except Exception as error:  # whatever its HTTP client has for a server that is not there
        if (ours := unwritten(error)) is not None:
            raise ours from error
        raise UpstreamUnavailable(
            f"The hub cannot be reached: {_line(error)}", hint="Check the network, HF_ENDPOINT, and HF_HUB_OFFLINE."
        ) from error


_TOKEN = "Set HF_TOKEN to a token that may read it (https://huggingface.co/settings/tokens), or run hf auth login."  # noqa: S105


def _gated(repo: str, error: Exception) -> PermissionDenied:
    from huggingface_hub import get_token

    if get_token() is None:
        return PermissionDenied(
            f"The model {repo} is gated, and there is no token.",
            hint=f"Accept its terms at https://huggingface.co/{repo}. {_TOKEN}",
        )
    said = getattr(error, "server_message", None) or "the account of the token is not on its list"
    return PermissionDenied(
        f"The model {repo} is gated, and the token may not read it: {' '.join(str(said).split())[:200]}",
        hint=f"Accept its terms at https://huggingface.co/{repo} with the account of the token, and wait until it is let in.",
    )


def _line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
