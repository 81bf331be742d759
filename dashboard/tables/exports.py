"""A table as a file: the rows of its page, or all rows, which are made and sent piece by piece."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from channels.db import database_sync_to_async
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from dashboard.tables.file_formats import FORMATS, FileFormat
from dashboard.tables.table import Table

FILES_AT_ONCE = 2
"""So many files are worked on at a moment in a process: the others leave it to the requests."""
_working = threading.BoundedSemaphore(FILES_AT_ONCE)

_OTHERS = re.compile(r"[^a-z0-9]+")


def answer(*tables: Table[Any]) -> HttpResponseBase | None:
    """The file that the address asks for, or what is wrong with its filters; None where it asks
    for the page."""
    asked = tables[0].frame.asked
    made = FORMATS.get(asked.get("format", ""))
    table = next((t for t in tables if t.prefix == asked.get("table", "")), None)
    if made is None or table is None:
        return None
    if table.faults:
        text = "\n".join(table.faults)
        return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")
    headers = {"Content-Disposition": f'attachment; filename="{_name(table, made)}"'}
    if asked.get("rows") != "all":
        text = "".join(made.text(table, [table.page.rows]))
        return HttpResponse(text, content_type=made.content_type, headers=headers)
    pieces = made.text(table, table.pieces())
    return StreamingHttpResponse(_sent(pieces), content_type=made.content_type, headers=headers)


async def _sent(pieces: Iterator[str]) -> AsyncIterator[bytes]:
    """Each piece is made when the one before it was taken, in the thread of its request. Between
    them no query is open and no connection to the database."""
    make = database_sync_to_async(_next, thread_sensitive=True)
    while piece := await make(pieces):
        yield piece


def _next(pieces: Iterator[str]) -> bytes:
    """Empty at the end."""
    with _working:
        return next(pieces, "").encode()


def _name(table: Table[Any], made: FileFormat) -> str:
    """What it is, of which time, and whether it is one page of several."""
    frame = table.frame
    first, last = (frame.range.local(at) for at in (frame.range.start, frame.range.end))
    title = _OTHERS.sub("-", table.title.lower()).strip("-")
    is_part = frame.asked.get("rows") != "all" and not table.is_whole
    part = f"-{len(table.page.rows)}-rows" if is_part else ""
    return f"{title}-{first:%Y%m%d%H}-{last:%Y%m%d%H}{part}.{made.ending}"
