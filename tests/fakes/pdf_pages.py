"""A PDF page of words at places."""

from collections.abc import Iterable

from fakes.broken_files import assembled


def pdf_page(words: Iterable[tuple[float, float, float, str]]) -> bytes:
    """One page, 612 by 792 points: size, x, y and text of each string, in Helvetica."""
    shown = "".join(f"BT /F1 {size} Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET\n" for size, x, y, text in words).encode(
        "latin-1"
    )
    return assembled(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R /Resources << /Font << /F1 3 0 R >> >> >>",
            b"<< /Length %d >>\nstream\n" % len(shown) + shown + b"\nendstream",
        ],
        "/Root 1 0 R",
    )
