"""Any cursor in an address, in any order of any table (pages, "Every table")."""

from __future__ import annotations

import pytest

from bridge.models import UsageRecord, UsageSession
from dashboard.tables.keyset import Rows
from dashboard.tables.row_columns import error_columns, session_columns
from dashboard.tables.table import Column, Cursor, Table
from tests.dashboard.cursors import CURSORS
from tests.dashboard.making import enter, month
from tests.dashboard.tables.test_table import THINGS, framed, listed, shown


def orders(columns: list[Column]) -> list[str]:
    return [f"{sign}{column.name}" for column in columns for sign in ("", "-")]


@pytest.mark.parametrize("cursor", CURSORS, ids=str)
@pytest.mark.parametrize("sort", ["size", "-size", "name", "-name", "colour", "nonsense"])
def test_any_cursor_leads_to_a_page_of_what_is_in_memory(cursor: Cursor, sort: str) -> None:
    table = shown(f"after={cursor.text()}&sort={sort}", THINGS)
    assert len(table.page.rows) <= len(THINGS)


@pytest.mark.django_db
@pytest.mark.parametrize("cursor", CURSORS, ids=str)
def test_any_cursor_leads_to_a_page_of_rows(cursor: Cursor) -> None:
    """In every order that the tables of requests, sessions and errors have."""
    enter(month(12))
    after = f"after={cursor.text()}"
    for sort in ("time", "-time", "status", "-first_token_ms", "model"):
        assert len(listed(f"{after}&sort={sort}").page.rows) <= 3
    frame = framed("")
    kinds = ((session_columns(frame), UsageSession), (error_columns(frame), UsageRecord))
    for columns, model in kinds:
        for sort in orders([column for column in columns if column.field]):
            table: Table[UsageSession | UsageRecord] = Table(
                framed(f"{after}&sort={sort}"), "Rows", columns, Rows(model.objects.all()), sort
            )
            assert len(table.page.rows) <= 12
