"""Equations of a DOCX as text in LaTeX's notation, before anything else reads it: mammoth passes over them."""

import io
import zipfile
from collections.abc import Callable
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from tandem.adapters.sources.archives import Archive

_DOCUMENT = "word/document.xml"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_W_SPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_W = f"{{{_W_SPACE}}}"
# Nested deeper than any formula a person writes.
_MAX_DEPTH = 40
# The invisible sign between a function and what it is applied to.
_APPLIED = "\u2061"
_EQUATIONS = frozenset({f"{_M}oMath", f"{_M}oMathPara"})
_SUMS = {"∑": "\\sum", "∏": "\\prod", "∫": "\\int", "⋃": "\\bigcup", "⋂": "\\bigcap"}


def written_out(body: bytes, archive: Archive) -> bytes:
    """The file with each equation replaced by a run of text; the file itself when it has none."""
    if _DOCUMENT not in archive.names or b"oMath" not in archive.read(_DOCUMENT):
        return body
    root = archive.xml(_DOCUMENT)
    _replace(root)
    return _with_part(body, tostring(root, encoding="utf-8", xml_declaration=True))


def _replace(root: Element) -> None:
    register_namespace("w", _W_SPACE)
    waiting = [root]
    while waiting:
        parent = waiting.pop()
        for index, child in enumerate(list(parent)):
            if child.tag in _EQUATIONS:
                parent[index] = _run(latex(child), child.tail)
            else:
                waiting.append(child)


def _run(text: str, tail: str | None) -> Element:
    run = Element(f"{_W}r")
    run.tail = tail
    words = SubElement(run, f"{_W}t", {"{http://www.w3.org/XML/1998/namespace}space": "preserve"})
    words.text = f"${text}$"
    return run


def _with_part(body: bytes, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            # Pictures are not looked at.
            if entry.filename.endswith((".xml", ".rels")):
                new.writestr(entry.filename, content if entry.filename == _DOCUMENT else old.read(entry))
    return out.getvalue()


def latex(element: Element, depth: int = 0) -> str:
    """One equation, or a part of one."""
    if depth > _MAX_DEPTH:
        return "".join(element.itertext())
    name = element.tag.rpartition("}")[2]
    if name == "t":
        return (element.text or "").replace(_APPLIED, " ")
    shape = _SHAPES.get(name)
    if shape is None:
        return "".join(latex(child, depth + 1) for child in element if not child.tag.endswith("Pr"))
    return shape(element, depth + 1)


def _part(element: Element, name: str, depth: int) -> str:
    found = element.find(f"{_M}{name}")
    return "" if found is None else latex(found, depth).strip()


def _said(element: Element, name: str, default: str) -> str:
    """A property such as the sign of a sum."""
    found = next((each.get(f"{_M}val") for each in element.iter(f"{_M}{name}")), None)
    return default if found is None else found


def _fraction(element: Element, depth: int) -> str:
    return f"\\frac{{{_part(element, 'num', depth)}}}{{{_part(element, 'den', depth)}}}"


def _root(element: Element, depth: int) -> str:
    degree = _part(element, "deg", depth)
    return f"\\sqrt{f'[{degree}]' if degree else ''}{{{_part(element, 'e', depth)}}}"


def _scripts(element: Element, depth: int) -> str:
    below, above = _part(element, "sub", depth), _part(element, "sup", depth)
    return _part(element, "e", depth) + (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")


def _sum(element: Element, depth: int) -> str:
    sign = _said(element, "chr", "∫")
    below, above = _part(element, "sub", depth), _part(element, "sup", depth)
    limits = (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")
    return f"{_SUMS.get(sign, sign)}{limits} {_part(element, 'e', depth)}"


def _brackets(element: Element, depth: int) -> str:
    parts = [latex(each, depth) for each in element.findall(f"{_M}e")]
    return _said(element, "begChr", "(") + _said(element, "sepChr", "|").join(parts) + _said(element, "endChr", ")")


def _function(element: Element, depth: int) -> str:
    return f"{_part(element, 'fName', depth)} {_part(element, 'e', depth)}"


def _matrix(element: Element, depth: int) -> str:
    rows = (" & ".join(latex(each, depth) for each in row) for row in element.findall(f"{_M}mr"))
    return " \\\\ ".join(rows)


def _limit(element: Element, depth: int) -> str:
    mark = "_" if element.tag.endswith("limLow") else "^"
    return f"{_part(element, 'e', depth)}{mark}{{{_part(element, 'lim', depth)}}}"


def _lines(element: Element, depth: int) -> str:
    return " \\\\ ".join(latex(each, depth) for each in element.findall(f"{_M}e"))


_SHAPES: dict[str, Callable[[Element, int], str]] = {
    "f": _fraction,
    "rad": _root,
    "sSub": _scripts,
    "sSup": _scripts,
    "sSubSup": _scripts,
    "nary": _sum,
    "d": _brackets,
    "func": _function,
    "m": _matrix,
    "limLow": _limit,
    "limUpp": _limit,
    "eqArr": _lines,
}
