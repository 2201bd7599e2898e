"""Plain text, data files and source code: taken as they are."""

from tandem.adapters.sources.encodings import charset_of, decode
from tandem.adapters.sources.formats import text_media_type
from tandem.adapters.sources.limits import LoadLimits
from tandem.domain.document import LoadedDocument, RawDocument


def read_plain(document: RawDocument, _limits: LoadLimits) -> LoadedDocument:
    """The decoded text; its media type tells the chunker whether it is code."""
    text = decode(document.body, charset_of(document.media_type)).strip("\n")
    return LoadedDocument("", text, text_media_type(document.id, document.media_type))
