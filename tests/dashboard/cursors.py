"""Cursors that no page of ours has made, but that an address may hold."""

from dashboard.tables.table import Cursor

CURSORS = (
    Cursor(5, "9" * 40),
    Cursor("x", "-1"),
    Cursor("a\x00", "1"),
    Cursor("a\ud800", "1"),
    Cursor(True, "1"),
    Cursor(10**30, "1"),
    Cursor(float("nan"), "1"),
    Cursor("2025-13-45T00:00:00+00:00", "1"),
    Cursor("9999-12-31T23:59:59-23:59", "1"),
)
