"""The text of PDFs, in a thread, with the optional package pypdf."""

import base64

import pytest

from bridge.relay.pdf import text_of

pytest.importorskip("pypdf", reason="PDF_TEXT_EXTRACTION needs pypdf, which is optional")


def a_pdf(*pages: str) -> str:
    """A small PDF with these texts, in base64."""
    kids = " ".join(f"{10 + 2 * i} 0 R" for i in range(len(pages)))
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
    }
    for i, text in enumerate(pages):
        number, content = 10 + 2 * i, f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET"
        objects[number] = (
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792]"
            f" /Resources << /Font << /F1 {font} >> >> /Contents {number + 1} 0 R >>"
        )
        stream = f"stream\n{content}\nendstream"
        objects[number + 1] = f"<< /Length {len(content)} >>\n{stream}"
    return base64.b64encode(_written(objects)).decode()


def _written(objects: dict[int, str]) -> bytes:
    """The file with its table of contents."""
    out, places = b"%PDF-1.4\n", dict[int, int]()
    for number, body in objects.items():
        places[number] = len(out)
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    rows = "".join(f"{n} 1\n{place:010} 00000 n \n" for n, place in places.items())
    trailer = f"trailer\n<< /Size {max(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return out + f"xref\n0 1\n0000000000 65535 f \n{rows}{trailer}".encode()


def test_text_of_all_pages_is_read() -> None:
    """pdf.py: pages separated by a blank line."""
    assert text_of(a_pdf("Hello there", "Second page")) == "Hello there\n\nSecond page"


@pytest.mark.parametrize(
    "data", ["", "AAAA", "not base64 at all!", base64.b64encode(b"%PDF-1.4\n%%EOF").decode()]
)
def test_file_that_cannot_be_read_has_no_text(data: str) -> None:
    """pdf.py: "", so that the client is told that PDFs do not work here."""
    assert text_of(data) == ""


def test_page_without_text_has_none() -> None:
    assert text_of(a_pdf("")) == ""
