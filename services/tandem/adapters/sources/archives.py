"""Documents that are ZIP archives of XML: opened with care, read part by part."""

import io
import posixpath
import zipfile
import zlib
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from tandem.adapters.sources.limits import LoadLimits
from tandem.domain.errors import DocumentRejected

_MAX_ENTRIES = 5_000
_MAX_RATIO = 200
_SMALL_ENOUGH = 4_000_000
_TEXTUAL = (".xml", ".rels", ".html", ".xhtml", ".htm", ".opf", ".ncx")
_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"


class Archive:
    """The parts of one archive. `kind` names the format in messages: `DOCX`, `EPUB` and so on."""

    def __init__(self, body: bytes, kind: str, limits: LoadLimits) -> None:
        check_archive(body, kind, limits)
        self._kind = kind
        self._zip = zipfile.ZipFile(io.BytesIO(body))
        self.names = frozenset(self._zip.namelist())

    def read(self, name: str) -> bytes:
        """A part's bytes. Raises `DocumentRejected`: `damaged` when it is not there or cannot be unpacked."""
        try:
            return self._zip.read(name)
        # RuntimeError: a part packed by a method that is not known here, or locked by itself.
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
            raise self.damaged() from error

    def xml(self, name: str) -> Element:
        """A part parsed. Raises `DocumentRejected`: `damaged`, also for one that defines entities."""
        try:
            return parse_xml(self.read(name))
        except ValueError as error:
            raise self.damaged() from error

    def relations(self, name: str) -> dict[str, tuple[str, str]]:
        """What a part of an Office file points to inside the archive: id → (kind, part's name)."""
        folder, file = posixpath.split(name)
        listed = posixpath.join(folder, "_rels", f"{file}.rels")
        if listed not in self.names:
            return {}
        return {
            each.get("Id", ""): (each.get("Type", "").rpartition("/")[2], inside(folder, each.get("Target", "")))
            for each in self.xml(listed).iter(_RELATIONSHIP)
            if each.get("TargetMode") != "External"
        }

    def damaged(self) -> DocumentRejected:
        """The refusal of this document."""
        return DocumentRejected(f"The {self._kind} file is damaged: its content cannot be read.", reason="damaged")


def parse_xml(content: bytes | str) -> Element:
    """The root. Raises `ValueError` for what is no XML, and for XML that defines entities or points outside."""
    try:
        root: Element = fromstring(content, forbid_dtd=False, forbid_entities=True, forbid_external=True)
    except (ParseError, DefusedXmlException, UnicodeError, LookupError) as error:
        raise ValueError(str(error)) from error
    return root


def inside(folder: str, target: str) -> str:
    """The name of a part that another in `folder` points to."""
    path = unquote(target.partition("#")[0])
    return posixpath.normpath(path.lstrip("/") if path.startswith("/") else posixpath.join(folder, path))


def check_archive(body: bytes, kind: str, limits: LoadLimits) -> None:
    """Refuses what unfolds to far more than it weighs, by the archive's own directory, before anything is unpacked.

    A directory that lies is no way round it: no more of a part is unpacked than the directory says.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries: list[Any] = archive.infolist()
    # RuntimeError: a version of the format that is not known here.
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
        raise DocumentRejected(f"The {kind} file is damaged or cut short.", reason="damaged") from error
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise DocumentRejected(
            f"The {kind} file is protected by a password.", reason="encrypted", hint="Save a copy without a password."
        )
    # Pictures and fonts are never unpacked, so only the parts that hold text count.
    unfolded = sum(entry.file_size for entry in entries if entry.filename.lower().endswith(_TEXTUAL))
    packed = sum(entry.compress_size for entry in entries) or 1
    over = unfolded > limits.text_chars * 10
    if len(entries) > _MAX_ENTRIES or over or (unfolded > _SMALL_ENOUGH and unfolded / packed > _MAX_RATIO):
        raise DocumentRejected(f"The {kind} file unfolds to far more than it weighs.", reason="too_large")
