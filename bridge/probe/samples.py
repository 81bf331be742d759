"""What checks show to a model: a picture, a paper, two tools. Pure: made here, not read."""

from __future__ import annotations

import base64
import struct
import zlib

from bridge.translation.json import JSON

SIDE = 64
"""Pixels; some vision models take nothing below 28."""
GREEN, YELLOW = b"\x00\x96\x00", b"\xff\xf0\x00"
CODE_WORD = "tulip"


def _tool(name: str, description: str, argument: str) -> JSON:
    parameters = {
        "type": "object",
        "properties": {argument: {"type": "string"}},
        "required": [argument],
    }
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


WEATHER = _tool("get_weather", "Current weather of a city", "city")
CLOCK = _tool("get_time", "Current time of a time zone", "zone")


def picture() -> str:
    """A data URL: the left half green, the right half yellow."""
    row = b"\x00" + GREEN * (SIDE // 2) + YELLOW * (SIDE // 2)
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        _png_chunk(kind, data)
        for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(row * SIDE)), (b"IEND", b""))
    )
    return _data_url("image/png", png)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def paper() -> str:
    """A data URL: a PDF of one page, with one sentence."""
    text = f"BT /F1 18 Tf 20 60 Td (The code word is {CODE_WORD}.) Tj ET".encode()
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 120] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    pdf, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size, start = len(objects) + 1, len(pdf)
    pdf += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    pdf += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
    return _data_url("application/pdf", pdf)


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
