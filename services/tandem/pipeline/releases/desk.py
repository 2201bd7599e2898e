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
    UnknownRelease,
)
from tandem.domain.lineage import GoldenQuestion, base_of, is_version
from tandem.domain.release import BASE, Book, GoldenResult, Release, TryMode
from tandem.pipeline.releases.golden import GoldenAsking
from tandem.pipeline.releases.judging import Verdict, judge
from tandem.pipeline.turns import finish
from tandem.ports.clock import Clock
from tandem.ports.releases import Releases
from tandem.ports.versions import Promotion, Versions

_ROUNDS = 5
# Whoever promotes and is not done by then has died.
_PROMOTING_S = 900.0
# Of what is over, so many are remembered.
_MOST_OVER = 100


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
        _check_free(await self._store.book(), wanted.name)
        await self._check(wanted, context)
        if wanted.collection is not None:
            await self.freshen(wanted, context)

        def begun(book: Book) -> tuple[Release, ...]:
            _check_free(book, wanted.name)
            now_s = self._clock.epoch_s()
            replaced = BASE if book.serving is None else book.serving.name
            return (replace(wanted, state="trying", created_at=now_s, changed_at=now_s, replaced=replaced),)

        return await self._change(begun)

    async def all(self) -> Book:
        """As it is now."""
        return await self._store.book()

    async def watched(self, name: str) -> Watched:
        """Raises `UnknownRelease`."""
        release = _found(await self._store.book(), name)
        if release.state in ("trying", "promoting"):
            return Watched(release, await self._verdict(release))
        return Watched(release)

    async def split(self, name: str, weight: float | None, mode: TryMode | None, by: str) -> Release:
        """Another share, or another way to try it. What was measured in the other mode stays."""

        def changed(book: Book) -> tuple[Release, ...]:
            release = _trying(_found(book, name))
            to = release.weight if weight is None else weight
            return (replace(release, weight=to, mode=mode or release.mode, changed_at=self._clock.epoch_s(), by=by),)

        return await self._change(changed)

    async def asked(
        self, name: str, questions: Sequence[GoldenQuestion], context: RequestContext, *, anew: bool, complete: bool
    ) -> Release:
        """Some of its golden questions, put to both sides; `complete`: they are the last ones, and count from now on."""
        book = await self._store.book()
        release = _trying(_found(book, name))
        result = await self._golden.compare(release, book.serving, questions, context)

        def changed(book: Book) -> tuple[Release, ...]:
            latest = _trying(_found(book, name))
            before = GoldenResult() if anew or latest.golden is None else latest.golden
            return (replace(latest, golden=replace(before + result, complete=complete)),)

        return await self._change(changed)

    async def promote(self, name: str, by: str, context: RequestContext, *, force: str | None = None) -> Release:
        """Let it serve everybody. `force` is a reason to do so whatever was measured.

        Raises `PromotionRefused` for what is not known to be good enough, and for a collection that its own gate holds back;
        `ReleaseConflict` when somebody else promotes it or it is over.
        """
        release = _found(await self._store.book(), name)
        verdict = await self._verdict(_trying(release))
        if verdict.decision != "promote" and force is None:
            raise _refused(name, verdict)
        # Broken off in the middle, it would count as promoted by somebody who has died, for a quarter of an hour.
        return await finish(self._promoted(name, by, force, context))

    async def _promoted(self, name: str, by: str, force: str | None, context: RequestContext) -> Release:
        claimed = await self._change(lambda book: (self._claimed(_found(book, name), by),))
        try:
            await self._promote_collection(claimed, force, context)
        except TandemError as error:
            # It is tried on, and may be promoted again.
            why = error.message
            with suppress(ReleaseConflict):
                await self._change(lambda book: (_given_up(_found(book, name), why),))
            raise
        why = force or "it is as good as what it replaces"
        try:
            return await self._change(lambda book: self._serving(book, name, why, by))
        except ReleaseConflict:
            if _found(await self._store.book(), name).state == "rolled_back":
                await self._take_collection_back(claimed, context)
            raise

    async def rollback(self, name: str, by: str, reason: str, context: RequestContext) -> Release:
        """Of a candidate: nobody is answered by it any more. Of what serves: back to what it replaced, the version of its
        collection as well; what is tried against it goes with it.
        """
        book = await self._store.book()
        release, now_s = _found(book, name), self._clock.epoch_s()
        for each in (release, book.candidate):
            # Nothing is taken back before it is known that all of it can be.
            if each is not None and (each is release or release.state == "serving"):
                _check_over(each, now_s)
        # Promoting may have ended half-way.
        if release.state in ("serving", "promoting"):
            await self._take_collection_back(release, context)
        return await self._change(lambda book: self._rolled_back(book, name, by, reason))

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

    def _claimed(self, release: Release, by: str) -> Release:
        now_s = self._clock.epoch_s()
        _check_over(release, now_s)
        return replace(_trying(release), state="promoting", changed_at=now_s, by=by)

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
            await self._versions.rollback(base, context)

    def _serving(self, book: Book, name: str, why: str, by: str) -> tuple[Release, ...]:
        now_s = self._clock.epoch_s()
        release = replace(_promoting(_found(book, name)), state="serving", changed_at=now_s, reason=why, by=by)
        before = book.serving
        if before is None:
            return (replace(release, replaced=BASE),)
        retired = replace(before, state="retired", changed_at=now_s, reason=f"replaced by {name}", by=by)
        return replace(release, replaced=before.name), retired

    def _rolled_back(self, book: Book, name: str, by: str, reason: str) -> tuple[Release, ...]:
        release, now_s = _found(book, name), self._clock.epoch_s()
        if release.state not in ("trying", "promoting", "serving"):
            raise ReleaseConflict(f"{name} is {release.state} already.")
        _check_over(release, now_s)
        gone = replace(release, state="rolled_back", changed_at=now_s, reason=reason, by=by)
        if release.state != "serving":
            return (gone,)
        tried, before = book.candidate, book.find(release.replaced)
        why = f"{name} was rolled back"
        also = []
        if tried is not None:
            # What it was held against is gone, and all that was measured of both means nothing.
            _check_over(tried, now_s)
            also.append(replace(tried, state="rolled_back", changed_at=now_s, reason=why, by=by))
        if before is not None:
            also.append(replace(before, state="serving", changed_at=now_s, reason=why, by=by))
        return gone, *also

    async def _change(self, change: Callable[[Book], tuple[Release, ...]]) -> Release:
        """The first of those that `change` makes of the latest book; again when somebody else was faster."""
        for _ in range(_ROUNDS):
            book = await self._store.book()
            changed = change(book)
            if await self._store.write(_shorter(book.put(*changed))):
                return changed[0]
        raise ReleaseConflict("Others change releases all the time.", hint="Try again in a moment.")


def _found(book: Book, name: str) -> Release:
    release = book.find(name)
    if release is None:
        known = ", ".join(each.name for each in book.releases[-10:]) or "none"
        raise UnknownRelease(f"There is no release {name[:80]!r}.", hint=f"Known: {known}.", param="name")
    return release


def _check_free(book: Book, name: str) -> None:
    if name == BASE or book.find(name) is not None:
        raise ReleaseConflict(f"There is a release {name} already.", hint="Receipts name it: take another name.")
    if book.candidate is not None:
        raise ReleaseConflict(
            f"{book.candidate.name} is being tried, and one is at a time.",
            hint=f"`tandem release promote {book.candidate.name}`, or roll it back.",
        )


def _check_over(release: Release, now_s: float) -> None:
    if release.state == "promoting" and now_s - release.changed_at < _PROMOTING_S:
        raise ReleaseConflict(
            f"{release.name} is just being promoted by {release.by or 'somebody else'}.",
            hint=f"`tandem release status {release.name}` tells how it ended.",
        )


def _trying(release: Release) -> Release:
    if release.state not in ("trying", "promoting"):
        raise ReleaseConflict(f"{release.name} is {release.state}, it is not tried any more.")
    return release


def _promoting(release: Release) -> Release:
    if release.state != "promoting":
        raise ReleaseConflict(
            f"{release.name} has become {release.state} while it was promoted.",
            hint=f"`tandem release status {release.name}` tells by whom, and why.",
        )
    return release


def _given_up(release: Release, why: str) -> Release:
    return replace(_promoting(release), state="trying", reason=f"not promoted: {why}")


def _refused(name: str, verdict: Verdict) -> PromotionRefused:
    return PromotionRefused(
        f"{name} is held back: {'; '.join(verdict.reasons)}.",
        hint="It is tried on. --force with a reason promotes it all the same.",
        param="name",
    )


def _shorter(book: Book) -> Book:
    """Without the oldest of those that are over, but for the one that a rollback would go to."""
    way_back = {each.replaced for each in book.releases if each.state in ("serving", "trying", "promoting")}
    over = [each for each in book.releases if each.state in ("retired", "rolled_back") and each.name not in way_back]
    gone = {each.name for each in over[: max(0, len(over) - _MOST_OVER)]}
    return replace(book, releases=tuple(each for each in book.releases if each.name not in gone))
