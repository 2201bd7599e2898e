"""Texts as both databases can hold them."""


def plain(text: str) -> str:
    """PostgreSQL's texts hold no NUL, and no half of a pair; what is looked for loses them as well."""
    return text.replace("\0", "").encode(errors="replace").decode()


def plain_or_none(text: str | None) -> str | None:
    """The same of what may be missing."""
    return None if text is None else plain(text)
