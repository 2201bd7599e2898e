"""Releases created, promoted and rolled back: by people, or by what was measured."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from tandem.domain.context import RequestContext
from tandem.domain.errors import (
    InvalidRequest,
    PromotionRefused,
    ReleaseConflict,
    TandemError,
    UnknownCollection,
    VersionConflict,
)
from tandem.domain.lineage import GoldenQuestion, base_of, is_version
from tandem.domain.release import Book, GoldenResult, Release, TryMode
from tandem.pipeline.releases import changes
from tandem.pipeline.releases.golden import GoldenAsking
from tandem.pipeline.releases.judging import Verdict, judge
from tandem.pipeline.turns import finish
from tandem.ports.clock import Clock
from tandem.ports.releases import Releases
from tandem.ports.versions import Promotion, Versions

_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Watched:
    """A release, and while it is tried how it is doing."""

    release: Release
    verdict: Verdict | None = None


class ReleaseDesk:
    """`known_prompt` raises `UnknownPrompt`; `pools` are those of this configuration. Every change is one revision of the
    book, so that of two who change the same one is told that the other was faster.
    """

    def __init__(
        self,
        store: Releases,
        versions: Versions,
        clock: Clock,
        known_prompt: Callable[[str], str],
        pools: Collection[str],
        golden: GoldenAsking,
    ) -> None:
        self._store = store
        self._versions = versions
        self._clock = clock
        self._known_prompt = known_prompt
        self._pools = pools
        self._golden = golden

    async def create(self, wanted: Release, context: RequestContext) -> Release:
        """Begin to try it. Raises `UnknownPrompt`, `UnknownCollection`, `InvalidRequest`, and `ReleaseConflict` while another
        one is tried.
        """
        changes.check_free(await self._store.book(), wanted.name)
        await self._check(wanted, context)
        if wanted.collection is not None:
            await self.freshen(wanted, context)
        return await self._change(lambda book: changes.created(book, wanted, self._clock.epoch_s()))

    async def all(self) -> Book:
        """As it is now."""
        return await self._store.book()

    async def watched(self, name: str) -> Watched:
        """Raises `UnknownRelease`."""
        release = changes.found(await self._store.book(), name)
        if release.state in ("trying", "promoting"):
            return Watched(release, await self._verdict(release))
        return Watched(release)

    async def split(self, name: str, weight: float | None, mode: TryMode | None, by: str) -> Release:
        """Another share, or another way to try it. What was measured in the other mode stays."""

        def changed(book: Book) -> tuple[Release, ...]:
            release = changes.trying(changes.found(book, name))
            to = release.weight if weight is None else weight
            return (replace(release, weight=to, mode=mode or release.mode, changed_at=self._clock.epoch_s(), by=by),)

        return await self._change(changed)

    async def asked(
        self, name: str, questions: Sequence[GoldenQuestion], context: RequestContext, *, anew: bool, complete: bool
    ) -> Release:
        """Some of its golden questions, put to both sides; `complete`: they are the last ones, and count from now on."""
        book = await self._store.book()
        release = changes.trying(changes.found(book, name))
        result = await self._golden.compare(release, book.serving, questions, context)

        def changed(book: Book) -> tuple[Release, ...]:
            latest = changes.trying(changes.found(book, name))
            before = GoldenResult() if anew or latest.golden is None else latest.golden
            return (replace(latest, golden=replace(before + result, complete=complete)),)

        return await self._change(changed)

    async def promote(self, name: str, by: str, context: RequestContext, *, force: str | None = None) -> Release:
        """Let it serve everybody. `force` is a reason to do so whatever was measured.

        Raises `PromotionRefused` for what is not known to be good enough, and for a collection that its own gate holds back;
        `ReleaseConflict` when somebody else promotes it or it is over.
        """
        release = changes.found(await self._store.book(), name)
        verdict = await self._verdict(changes.trying(release))
        if verdict.decision != "promote" and force is None:
            raise _refused(name, verdict)
        # Broken off in the middle, it would count as promoted by somebody who has died, for a quarter of an hour.
        return await finish(self._promoted(name, by, force, context))

    async def _promoted(self, name: str, by: str, force: str | None, context: RequestContext) -> Release:
        claimed = await self._change(lambda book: changes.claimed(book, name, by, self._clock.epoch_s()))
        try:
            await self._promote_collection(claimed, force, context)
        except TandemError as error:
            why = error.message
            with suppress(ReleaseConflict):
                await self._change(lambda book: changes.given_up(book, name, why))
            raise
        why = force or "it is as good as what it replaces"
        try:
            return await self._change(lambda book: changes.serving(book, name, why, by, self._clock.epoch_s()))
        except ReleaseConflict:
            if changes.found(await self._store.book(), name).state == "rolled_back":
                await self._take_collection_back(claimed, context)
            raise

    async def rollback(self, name: str, by: str, reason: str, context: RequestContext) -> Release:
        """Of a candidate: nobody is answered by it any more. Of what serves: back to what it replaced, the version of its
        collection as well; what is tried against it goes with it.
        """
        book = await self._store.book()
        # Nothing is taken back before it is known that all of it can be.
        release = changes.check_rollback(book, name, self._clock.epoch_s())
        # Broken off in the middle, it would serve on with the collection before it.
        return await finish(self._taken_back(release, by, reason, context))

    async def _taken_back(self, release: Release, by: str, reason: str, context: RequestContext) -> Release:
        # Promoting may have ended half-way.
        if release.state in ("serving", "promoting"):
            await self._take_collection_back(release, context)
        return await self._change(
            lambda book: changes.rolled_back(book, release.name, by, reason, self._clock.epoch_s())
        )

    async def freshen(self, release: Release, context: RequestContext) -> None:
        """Bring what was written into the serving version into the one that is tried: a document's access list, say."""
        if release.collection is None:
            return
        after: str | None = None
        while True:
            carried = await self._versions.carry(release.collection, context, after=after)
            after = carried.next_after
            if after is None:
                return

    async def _check(self, wanted: Release, context: RequestContext) -> None:
        if wanted.prompt is None and wanted.collection is None and not wanted.pools:
            raise InvalidRequest(
                "The release changes nothing.", hint="Name a prompt, a collection's version, or pools.", param="prompt"
            )
        if wanted.prompt is not None:
            self._known_prompt(wanted.prompt)
        missing = [pool for pool in wanted.pools if pool not in self._pools]
        if missing:
            raise InvalidRequest(
                f"There is no pool {missing[0][:80]!r}.", hint=f"Known: {', '.join(self._pools)}.", param="pools"
            )
        if wanted.collection is not None:
            await self._check_collection(wanted.collection, context)

    async def _check_collection(self, name: str, context: RequestContext) -> None:
        if not is_version(name):
            raise InvalidRequest(
                f"{name[:80]!r} names no version.",
                hint=f"`tandem collections versions {base_of(name)[:80]}` shows those there are.",
                param="collection",
            )
        found = {each.name: each.state for each in await self._versions.versions(base_of(name), context)}
        if name not in found:
            raise UnknownCollection(
                f"There is no version {name}.", hint=f"Known: {', '.join(found)}.", param="collection"
            )
        if found[name] != "ready":
            raise InvalidRequest(
                f"{name} is {found[name]}; a version is tried when it is complete and before it serves.",
                hint=f"`tandem collections build {base_of(name)}` makes one.",
                param="collection",
            )

    async def _verdict(self, release: Release) -> Verdict:
        return judge(release, await self._store.tallies(release.name), self._clock.epoch_s())

    async def _promote_collection(self, release: Release, force: str | None, context: RequestContext) -> None:
        if release.collection is None:
            return
        base = base_of(release.collection)
        states = {each.name: each.state for each in await self._versions.versions(base, context)}
        if states.get(release.collection) != "serving":
            await self._versions.promote(base, Promotion(release.collection, force=force), context)

    async def _take_collection_back(self, release: Release, context: RequestContext) -> None:
        if release.collection is None:
            return
        base = base_of(release.collection)
        found = await self._versions.versions(base, context)
        # Somebody may have promoted a newer one since: that is none of this release's.
        if any(each.name == release.collection and each.state == "serving" for each in found):
            # Or has taken it back in this moment: twice would be one version too far.
            with suppress(VersionConflict):
                await self._versions.rollback(base, context, of=release.collection)

    async def _change(self, change: Callable[[Book], tuple[Release, ...]]) -> Release:
        """The first of those that `change` makes of the latest book; again when somebody else was faster."""
        for _ in range(_ROUNDS):
            book = await self._store.book()
            changed = change(book)
            if await self._store.write(changes.shorter(book.put(*changed))):
                return changed[0]
        raise ReleaseConflict("Others change releases all the time.", hint="Try again in a moment.")


def _refused(name: str, verdict: Verdict) -> PromotionRefused:
    return PromotionRefused(
        f"{name} is held back: {'; '.join(verdict.reasons)}.",
        hint="It is tried on. --force with a reason promotes it all the same.",
        param="name",
    )
