"""What becomes of the book when a release is created, claimed, promoted or taken back; what cannot be is refused."""

from dataclasses import replace

from tandem.domain.errors import ReleaseConflict, UnknownRelease
from tandem.domain.release import BASE, Book, Release

# Whoever promotes and is not done by then has died.
_PROMOTING_S = 900.0
# Of what is over, so many are remembered.
_MOST_OVER = 100


def found(book: Book, name: str) -> Release:
    """Raises `UnknownRelease`."""
    release = book.find(name)
    if release is None:
        known = ", ".join(each.name for each in book.releases[-10:]) or "none"
        raise UnknownRelease(f"There is no release {name[:80]!r}.", hint=f"Known: {known}.", param="name")
    return release


def check_free(book: Book, name: str) -> None:
    """Raises `ReleaseConflict` for a name that was used, and while another release is tried."""
    if name == BASE or book.find(name) is not None:
        raise ReleaseConflict(f"There is a release {name} already.", hint="Receipts name it: take another name.")
    if book.candidate is not None:
        raise ReleaseConflict(
            f"{book.candidate.name} is being tried, and one is at a time.",
            hint=f"`tandem release promote {book.candidate.name}`, or roll it back.",
        )


def check_over(release: Release, now_s: float) -> None:
    """Raises `ReleaseConflict` while somebody who lives promotes it."""
    if release.state == "promoting" and now_s - release.changed_at < _PROMOTING_S:
        raise ReleaseConflict(
            f"{release.name} is just being promoted by {release.by or 'somebody else'}.",
            hint=f"`tandem release status {release.name}` tells how it ended.",
        )


def trying(release: Release) -> Release:
    """Raises `ReleaseConflict` when it is over."""
    if release.state not in ("trying", "promoting"):
        raise ReleaseConflict(f"{release.name} is {release.state}, it is not tried any more.")
    return release


def created(book: Book, wanted: Release, now_s: float) -> tuple[Release, ...]:
    """It is tried, against what serves."""
    check_free(book, wanted.name)
    replaced = BASE if book.serving is None else book.serving.name
    return (replace(wanted, state="trying", created_at=now_s, changed_at=now_s, replaced=replaced),)


def claimed(book: Book, name: str, by: str, now_s: float) -> tuple[Release, ...]:
    """By who promotes it."""
    release = found(book, name)
    check_over(release, now_s)
    return (replace(trying(release), state="promoting", changed_at=now_s, by=by),)


def given_up(book: Book, name: str, why: str) -> tuple[Release, ...]:
    """It is tried on, and may be promoted again."""
    return (replace(_promoting(found(book, name)), state="trying", reason=f"not promoted: {why}"),)


def serving(book: Book, name: str, why: str, by: str, now_s: float) -> tuple[Release, ...]:
    """In the place of what served."""
    release = replace(_promoting(found(book, name)), state="serving", changed_at=now_s, reason=why, by=by)
    before = book.serving
    if before is None:
        return (replace(release, replaced=BASE),)
    retired = replace(before, state="retired", changed_at=now_s, reason=f"replaced by {name}", by=by)
    return replace(release, replaced=before.name), retired


def check_rollback(book: Book, name: str, now_s: float) -> Release:
    """The release. Raises `ReleaseConflict` when it is over, or somebody promotes it, or what is tried against it."""
    release = found(book, name)
    if release.state not in ("trying", "promoting", "serving"):
        raise ReleaseConflict(f"{name} is {release.state} already.")
    check_over(release, now_s)
    if release.state == "serving" and book.candidate is not None:
        check_over(book.candidate, now_s)
    return release


def rolled_back(book: Book, name: str, by: str, reason: str, now_s: float) -> tuple[Release, ...]:
    """Of one that serves, what it replaced serves again."""
    release = check_rollback(book, name, now_s)
    gone = replace(release, state="rolled_back", changed_at=now_s, reason=reason, by=by)
    if release.state != "serving":
        return (gone,)
    tried, before = book.candidate, book.find(release.replaced)
    why = f"{name} was rolled back"
    also = []
    if tried is not None:
        # What it was held against is gone, and all that was measured of both means nothing.
        also.append(replace(tried, state="rolled_back", changed_at=now_s, reason=why, by=by))
    if before is not None:
        also.append(replace(before, state="serving", changed_at=now_s, reason=why, by=by))
    return gone, *also


def shorter(book: Book) -> Book:
    """Without the oldest of those that are over, but for the one that a rollback would go to."""
    way_back = {each.replaced for each in book.releases if each.state in ("serving", "trying", "promoting")}
    over = [each for each in book.releases if each.state in ("retired", "rolled_back") and each.name not in way_back]
    gone = {each.name for each in over[: max(0, len(over) - _MOST_OVER)]}
    return replace(book, releases=tuple(each for each in book.releases if each.name not in gone))


def _promoting(release: Release) -> Release:
    if release.state != "promoting":
        raise ReleaseConflict(
            f"{release.name} has become {release.state} while it was promoted.",
            hint=f"`tandem release status {release.name}` tells by whom, and why.",
        )
    return release
