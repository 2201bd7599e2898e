"""What a document's bytes say of it beside its text: title, author, dates, language, keywords."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

from tandem.adapters.sources.archives import Archive
from tandem.adapters.sources.encodings import clean
from tandem.adapters.sources.naming import tidy_title
from tandem.domain.document import LoadedDocument

CORE = "docProps/core.xml"
_PDF_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:Z|([+-])(\d\d)'?(\d\d)?'?)?")
_LANGUAGE = re.compile(r"([A-Za-z]{2})(?:[-_][A-Za-z0-9-]*)?")
_SEPARATORS = re.compile(r"[,;\n]")
_BLANK = re.compile(r"\s+")
_MAX_AUTHOR_CHARS = 400
_MAX_TAGS = 50
_MAX_TAG_CHARS = 100
# What programs write where a person's name belongs.
_NOBODY = frozenset(
    {"", "unknown", "anonymous", "(anonymous)", "author", "user", "admin", "administrator", "microsoft office user"}
)
# Earlier than any file, later than any clock: a date outside is a mistake.
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Properties:
    """Tidied; None and empty where nothing believable is said."""

    title: str | None = None
    author: str | None = None
    created_at: float | None = None
    modified_at: float | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()

    def on(self, loaded: LoadedDocument) -> LoadedDocument:
        """The document with these; its own title and language stay where they are set."""
        return replace(
            loaded,
            title=loaded.title or self.title or "",
            author=self.author,
            created_at=self.created_at,
            modified_at=self.modified_at,
            language=loaded.language or self.language,
            tags=self.tags,
        )


def office_properties(archive: Archive) -> Properties:
    """An Office file's core properties; none when they are missing or cannot be read."""
    if CORE not in archive.names:
        return Properties()
    try:
        root = archive.xml(CORE)
    except ValueError:
        return Properties()
    said = {each.tag.rpartition("}")[2]: each.text or "" for each in root}
    return Properties(
        title=tidy_title(clean(said.get("title", ""))),
        author=author(said.get("creator")),
        created_at=instant(said.get("created")),
        modified_at=instant(said.get("modified")),
        language=language(said.get("language")),
        tags=keywords(said.get("keywords")),
    )


def author(name: str | None) -> str | None:
    """One line of bounded length; None for nobody's name."""
    found = _BLANK.sub(" ", clean(name or "")).strip(" ,;")[:_MAX_AUTHOR_CHARS].strip()
    return None if found.casefold() in _NOBODY else found


def keywords(listed: str | None) -> tuple[str, ...]:
    """Words between commas, semicolons or line ends."""
    return tags(_SEPARATORS.split(clean(listed or "")))


def tags(words: list[str]) -> tuple[str, ...]:
    """Each once, tidied, a bounded number."""
    tidied = (_BLANK.sub(" ", word).strip(" #\"'") for word in words)
    kept = dict.fromkeys(word for word in tidied if 0 < len(word) <= _MAX_TAG_CHARS and word.isprintable())
    return tuple(kept)[:_MAX_TAGS]


def language(code: str | None) -> str | None:
    """`en` of `en-GB`; None for what is no such code."""
    found = _LANGUAGE.fullmatch((code or "").strip())
    return found.group(1).lower() if found is not None else None


def instant(said: object) -> float | None:
    """Epoch seconds of an ISO 8601 date, a mail's date, a PDF's date or a date object; None for anything else."""
    try:
        found = _datetime(said)
        seconds = None if found is None else (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return seconds if seconds is not None and _EARLIEST <= seconds <= _LATEST else None


def _datetime(said: object) -> datetime | None:
    if isinstance(said, datetime):
        return said
    if isinstance(said, date):
        return datetime(said.year, said.month, said.day, tzinfo=UTC)
    if not isinstance(said, str) or not said.strip():
        return None
    text = said.strip()[:64]
    if (pdf := _PDF_DATE.match(text)) is not None:
        return _pdf_datetime(pdf)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)


def _pdf_datetime(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, sign, away_h, away_m = found.groups()
    local = f"{year}-{month or '01'}-{day or '01'}T{hour or '00'}:{minute or '00'}:{second or '00'}"
    return datetime.fromisoformat(f"{local}{sign}{away_h}:{away_m or '00'}" if sign else f"{local}+00:00")
