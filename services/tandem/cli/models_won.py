"""A candidate whose release has won: what counts for its promotion, and how the release ends once the predictor has its model."""

import time
from dataclasses import dataclass
from typing import Any

from tandem.adapters.remote.releases import remote_releases
from tandem.cli.console import run
from tandem.domain.errors import InvalidRequest, PromotionRefused, ReleaseConflict
from tandem.platform.cluster import Cluster
from tandem.platform.models.followed import Verdict, followed
from tandem.platform.models.kept import Deployed, Gate, kept_of
from tandem.platform.models.services import Found

# Gateways look at releases every second: by then nobody is sent to the candidate any more.
_LEARNT_S = 5.0


@dataclass(frozen=True, slots=True)
class Won:
    """`release` of that gateway serves from the candidate; `gate` is the one that it passed before. `over`: it has ended since."""

    gateway: str
    api_key: str | None
    release: str
    gate: Gate
    over: bool

    def end(self, why: str) -> None:
        """People are answered by the predictor again, and then nobody by the candidate."""
        if self.over:
            return
        run(_asked(self.gateway, self.api_key, self.release, {"reason": why}))
        time.sleep(_LEARNT_S)  # noqa: TID251 - no event loop runs here


def tried_as(cluster: Cluster, found: Found, candidate: Deployed) -> Verdict | None:
    """What is remembered of the candidate, if a release may answer from it."""
    verdict = followed(cluster, found.serving).of(candidate.model, candidate.version)
    return verdict if verdict is not None and verdict.state == "passed" and verdict.release else None


def won(cluster: Cluster, found: Found, candidate: Deployed, gateway: str, api_key: str | None) -> Won:
    """Raises `InvalidRequest` where there is no such release, or more of it than the model would end with it;
    `PromotionRefused` while it does not serve, `ReleaseConflict` while another is tried against it.
    """
    verdict = tried_as(cluster, found, candidate)
    if verdict is None or verdict.gate is None:
        raise InvalidRequest(
            "No release that tandem models follow has begun answers from the candidate.",
            hint="Without --url its golden questions decide: --results.",
        )
    told = run(_asked(gateway, api_key))["data"]
    mine: dict[str, Any] = next((each for each in told if each["name"] == verdict.release), {"state": "unknown"})
    kept = kept_of(found.serving)
    current = kept.numbered(kept.current)
    moved = current is not None and (current.model, current.version) == (candidate.model, candidate.version)
    if mine["state"] == "rolled_back" and moved:
        return Won(gateway, api_key, verdict.release, verdict.gate, over=True)
    if mine["state"] != "serving":
        raise PromotionRefused(
            f"The release {verdict.release} is {mine['state'].replace('_', ' ')}, it does not serve.",
            hint=f"tandem release status {verdict.release} tells what it waits for.",
        )
    if mine["prompt"] or mine["collection"]:
        raise InvalidRequest(
            f"The release {verdict.release} also has {mine['prompt'] or mine['collection']}, which would end with it.",
            hint="Promote the model with --keep-candidate, make prompt and collection those of the configuration, and roll it back.",
        )
    tried = next((each["name"] for each in told if each["state"] in ("trying", "promoting")), None)
    if tried is not None:
        raise ReleaseConflict(
            f"{tried} is tried against {verdict.release}, and would end with it.",
            hint=f"tandem release promote {tried}, or roll it back, and run this again.",
        )
    return Won(gateway, api_key, verdict.release, verdict.gate, over=False)


async def _asked(
    gateway: str, api_key: str | None, ended: str | None = None, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """All releases; with `ended` that one, rolled back."""
    async with remote_releases(gateway, api_key=api_key) as releases:
        return await releases.all() if ended is None else await releases.change(ended, "rollback", body or {})
