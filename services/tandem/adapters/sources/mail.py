"""Mails, as files of the standard (.eml) and of Outlook (.msg), to Markdown."""

import io
from collections.abc import Iterator
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr

from selectolax.lexbor import LexborHTMLParser

from tandem.adapters.sources.encodings import clean, decode
from tandem.adapters.sources.formats import EML_TYPE, MSG_TYPE
from tandem.adapters.sources.html import html_to_markdown
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.naming import tidy_title
from tandem.adapters.sources.properties import Properties, author, instant
from tandem.domain.document import LoadedDocument, RawDocument
from tandem.domain.errors import DocumentRejected

_HEADERS = ("From", "To", "Cc", "Date")
_MAX_PARTS = 1_000


def read_eml(document: RawDocument, _limits: LoadLimits) -> LoadedDocument:
    """Who wrote to whom and when, the text, and what the attachments are called; these are not read."""
    message = BytesParser(policy=policy.default).parsebytes(document.body)
    headers = {name: clean(str(message[name])) for name in _HEADERS if message[name]}
    parts = [part for _, part in zip(range(_MAX_PARTS), message.walk(), strict=False)]
    attached = [clean(part.get_filename() or "") for part in parts if part.get_content_disposition() == "attachment"]
    text = "\n\n".join(_blocks(headers, _body(parts), attached))
    return _loaded(text, str(message["Subject"] or ""), headers, EML_TYPE)


def read_msg(document: RawDocument, _limits: LoadLimits) -> LoadedDocument:
    """The same of Outlook's own format. Raises `DocumentRejected`: `damaged`."""
    from oxmsg import Message

    try:
        message = Message.load(io.BytesIO(document.body))
        headers = {name: _unfolded(value) for name in _HEADERS if (value := message.message_headers.get(name))}
        if message.sender:
            headers["From"] = _unfolded(message.sender)
        if message.recipients:
            named = dict.fromkeys(
                f"{_unfolded(each.name)} <{each.email_address}>" for each in message.recipients if each.email_address
            )
            headers["To"] = ", ".join(named)
        if message.sent_date is not None:
            headers["Date"] = message.sent_date.isoformat(" ", "minutes")
        body = (message.body or "").strip() or (message.html_body and _of_html(message.html_body)) or ""
        attached = [clean(each.file_name or "") for each in message.attachments]
        subject = message.subject or ""
    except (OSError, ValueError, KeyError, IndexError, AttributeError, TypeError, LookupError) as error:
        raise DocumentRejected("The mail is damaged: it cannot be read.", reason="damaged") from error
    return _loaded("\n\n".join(_blocks(headers, clean(body), attached)), subject, headers, MSG_TYPE)


def _loaded(text: str, subject: str, headers: dict[str, str], media_type: str) -> LoadedDocument:
    name, address = parseaddr(headers.get("From", ""))
    sent_at = instant(headers.get("Date"))
    properties = Properties(title=tidy_title(clean(subject)), author=author(name or address), created_at=sent_at)
    return properties.on(LoadedDocument("", text, media_type))


def _blocks(headers: dict[str, str], body: str, attached: list[str]) -> Iterator[str]:
    lines = [f"{name}: {' '.join(headers[name].split())}" for name in _HEADERS if headers.get(name)]
    if lines:
        yield "\n".join(lines)
    if body.strip():
        yield body.strip()
    if names := ", ".join(filter(None, attached)):
        yield f"Attachments: {names}"


def _body(parts: list[EmailMessage]) -> str:
    """The first plain text, else the first HTML."""
    texts = {
        kind: next((each for each in parts if each.get_content_type() == kind and not each.is_attachment()), None)
        for kind in ("text/plain", "text/html")
    }
    for kind, part in texts.items():
        content = "" if part is None else _content(part)
        if content.strip():
            return clean(content) if kind == "text/plain" else _of_html(content)
    return ""


def _content(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    return decode(payload, part.get_content_charset()) if isinstance(payload, bytes) and payload else ""


def _unfolded(header: str) -> str:
    """`=?utf-8?b?…?=` as what it stands for."""
    try:
        return clean(str(make_header(decode_header(header))))
    except (ValueError, LookupError):
        return clean(header)


def _of_html(markup: str) -> str:
    return html_to_markdown(LexborHTMLParser(markup))
