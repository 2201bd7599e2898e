"""XLSX, XLSB, XLS and ODS workbooks to Markdown, a section per sheet."""

import io

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum

from tandem.adapters.sources.archives import Archive
from tandem.adapters.sources.encodings import clean
from tandem.adapters.sources.formats import ODS_TYPE, XLS_TYPE, XLSX_TYPE, is_archive
from tandem.adapters.sources.limits import LoadLimits
from tandem.adapters.sources.properties import Properties, office_properties
from tandem.adapters.sources.tables import markdown_tables
from tandem.domain.document import LoadedDocument, RawDocument
from tandem.domain.errors import DocumentRejected

_ODS_MARK = b"application/vnd.oasis.opendocument.spreadsheet"
# Beyond this many cells, most of them empty, the sheet's size is a lie: a real one of so many holds more text than is allowed.
_MOST_CELLS = 20_000_000


def read_spreadsheet(document: RawDocument, limits: LoadLimits) -> LoadedDocument:
    """All visible sheets in order. Raises `DocumentRejected`: `damaged`, `too_large`, `encrypted`."""
    media_type, properties = XLS_TYPE, Properties()
    if is_archive(document.body):
        archive = Archive(document.body, "spreadsheet", limits)
        media_type, properties = XLSX_TYPE, office_properties(archive)
        if _ODS_MARK in document.body[:200]:
            media_type = ODS_TYPE
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(document.body)) as book:
            text = "\n\n".join(_sections(book, limits))
    except PasswordError as error:
        raise DocumentRejected(
            "The spreadsheet is protected by a password.", reason="encrypted", hint="Save a copy without a password."
        ) from error
    except (CalamineError, ValueError, OSError, EOFError) as error:
        raise DocumentRejected("The spreadsheet is damaged: it cannot be read.", reason="damaged") from error
    return properties.on(LoadedDocument("", text, media_type))


def _sections(book: CalamineWorkbook, limits: LoadLimits) -> list[str]:
    sheets = [each.name for each in book.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet]
    visible = [each.name for each in book.sheets_metadata if str(each.visible).endswith("Visible")]
    sections: list[str] = []
    left = limits.text_chars
    for name in sheets:
        if name not in visible:
            continue
        blocks = _blocks(book, name, left)
        if blocks:
            # One nameless sheet needs no heading.
            heading = [] if len(sheets) == 1 and name.casefold() in {"sheet1", "sheet"} else [f"## {clean(name)}"]
            section = "\n\n".join([*heading, *blocks])
            left -= len(section)
            sections.append(section)
        if left <= 0:
            raise DocumentRejected("The spreadsheet holds more text than is allowed.", reason="too_large")
    return sections


def _blocks(book: CalamineWorkbook, name: str, most_chars: int) -> list[str]:
    sheet = book.get_sheet_by_name(name)
    if sheet.total_height * sheet.total_width > _MOST_CELLS:
        raise DocumentRejected("The spreadsheet unfolds to far more cells than it holds.", reason="too_large")
    return [clean(block) for block in markdown_tables(sheet.iter_rows(), most_chars)]
