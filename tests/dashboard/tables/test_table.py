"""Tables: order, filter and pages from the address (pages, "Every table")."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import RequestFactory
from django.urls import resolve

from bridge.models import UsageRecord
from dashboard.pages.page import Frame
from dashboard.tables.keyset import Rows
from dashboard.tables.table import PAGE, Column, Cursor, InMemory, RowSource, Table
from tests.dashboard.making import NOW, record


@dataclass(frozen=True, slots=True)
class Thing:
    name: str
    size: int | None = None
    colour: str = "red"


COLUMNS = (
    Column("name", "Name", "name"),
    Column("size", "Size", "count"),
    Column("colour", "Colour", filter=True),
)


def framed(query: str) -> Frame:
    request = RequestFactory().get(f"/dashboard/keys/?{query}")
    request.resolver_match = resolve("/dashboard/keys/")
    return Frame(request)


def shown(query: str, things: list[Thing], limit: int = PAGE, prefix: str = "") -> Table[Thing]:
    source: RowSource[Thing] = InMemory(things, lambda thing: thing.name)
    return Table(framed(query), "Things", COLUMNS, source, "-size", prefix, limit=limit)


def names(table: Table[Thing]) -> str:
    return "".join(thing.name for thing in table.page.rows)


THINGS = [Thing("b", 2), Thing("A", 3), Thing("d"), Thing("c", 2, "blue")]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("", "Acbd"),
        ("size", "bcAd"),
        ("-size", "Acbd"),
        ("name", "Abcd"),
        ("-name", "dcbA"),
        ("nonsense", "Acbd"),
    ],
)
def test_order_comes_from_the_address_and_the_unknown_is_last(sort: str, order: str) -> None:
    assert names(shown(f"sort={sort}", THINGS)) == order


def test_a_second_click_turns_the_order_round() -> None:
    size = COLUMNS[1]
    assert "sort=-size" in shown("sort=name", THINGS).sort_link(size).href
    assert "sort=size" in shown("sort=-size", THINGS).sort_link(size).href


def test_a_filter_is_in_the_address_and_can_be_taken_away() -> None:
    table = shown("colour=blue&sort=name", THINGS)
    assert names(table) == "c" and table.page.total == 1
    (link,) = table.filter_links()
    assert link.title == "Colour: blue"
    assert "colour" not in link.href and "sort=name" in link.href
    assert "colour=red" in shown("", THINGS).filter_href(COLUMNS[2], "red")


def test_tables_of_one_page_do_not_share_their_parameters() -> None:
    table = shown("sort=name&things-sort=-name", THINGS, prefix="things")
    assert names(table) == "dcbA"
    assert "things-colour=red" in table.filter_href(COLUMNS[2], "red")
    assert "sort=name" in table.filter_href(COLUMNS[2], "red")


def pages(things: list[Thing], sort: str) -> list[str]:
    found, query = [], f"sort={sort}"
    for _ in range(20):
        table = shown(query, things, limit=2)
        found.append(names(table))
        if table.page.after is None:
            return found
        query = f"sort={sort}&after={table.page.after.text()}"
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize("sort", ["size", "-size", "name", "-name", "colour", "-colour"])
def test_pages_show_every_row_once(sort: str) -> None:
    things = [Thing(chr(97 + n), n % 4 or None, "red" if n % 3 else "blue") for n in range(9)]
    whole = names(shown(f"sort={sort}", things))
    told = pages(things, sort)
    assert "".join(told) == whole and len(whole) == 9
    assert [len(page) for page in told] == [2, 2, 2, 2, 1]


def test_a_page_stays_when_rows_come_in_before_it() -> None:
    before = [Thing(f"{n:02}", n) for n in range(10)]
    first = shown("sort=-size", before, limit=4)
    assert first.page.after is not None
    address = f"sort=-size&after={first.page.after.text()}"
    second = names(shown(address, before, limit=4))
    more = [*before, Thing("new", 99), Thing("newer", 100)]
    assert names(shown(address, more, limit=4)) == second == "05040302"


@pytest.mark.parametrize(
    "text", ["x", "!!", "bnVsbA", "eyJhIjoxfQ", "W3t9LCJhIl0", "W1tdLDFd", "é"]
)
def test_a_cursor_that_is_none_begins_at_the_first_row(text: str) -> None:
    assert Cursor.read(text) is None
    assert names(shown(f"after={text}", THINGS)) == "Acbd"


@pytest.mark.parametrize("value", [None, 5, 0.25, "text", "é", True])
def test_a_cursor_is_read_back(value: Any) -> None:
    assert Cursor.read(Cursor(value, "id").text()) == Cursor(value, "id")


# --- rows of the database -------------------------------------------------------------------------

RECORDS = (
    Column("time", "Time", "time", field="time"),
    Column("status", "Status", "count", field="status", filter=True),
    Column("first_token_ms", "First token", "ms", field="first_token_ms"),
    Column("model", "Model", field="model", filter=True),
)


def listed(query: str, limit: int = 3) -> Table[UsageRecord]:
    return Table(
        framed(query), "Requests", RECORDS, Rows(UsageRecord.objects.all()), "-time", limit=limit
    )


def numbers(table: Table[UsageRecord]) -> list[int]:
    return [int(row.request_id[4:]) for row in table.page.rows]


def make(count: int, start: int = 0) -> None:
    UsageRecord.objects.bulk_create(
        record(
            NOW - timedelta(minutes=n // 2),
            n,
            status=200 if n % 3 else 500,
            first_token_ms=None if n % 4 == 0 else n % 5,
        )
        for n in range(start, start + count)
    )


@pytest.mark.django_db
@pytest.mark.parametrize("sort", ["time", "-time", "status", "-first_token_ms", "first_token_ms"])
def test_rows_of_the_database_are_paged_without_loss(sort: str) -> None:
    make(14)
    found: list[int] = []
    query = f"sort={sort}"
    while True:
        table = listed(query)
        found += numbers(table)
        if table.page.after is None:
            break
        query = f"sort={sort}&after={table.page.after.text()}"
    assert found == numbers(listed(f"sort={sort}", limit=50))
    assert sorted(found) == list(range(14))


@pytest.mark.django_db
def test_what_is_unknown_comes_last_in_both_directions() -> None:
    make(8)
    for sort in ("first_token_ms", "-first_token_ms"):
        told = [row.first_token_ms for row in listed(f"sort={sort}", limit=50).page.rows]
        assert told[-2:] == [None, None] and None not in told[:-2]


@pytest.mark.django_db
def test_new_requests_do_not_shift_the_page_that_is_open() -> None:
    make(10)
    first = listed("")
    assert first.page.after is not None
    address = f"after={first.page.after.text()}"
    second = numbers(listed(address))
    UsageRecord.objects.bulk_create(record(NOW, n) for n in range(100, 105))
    assert numbers(listed(address)) == second


@pytest.mark.django_db
def test_filters_go_to_the_database() -> None:
    make(9)
    assert sorted(numbers(listed("status=500", limit=50))) == [0, 3, 6]
    assert numbers(listed("status=500&model=other")) == []


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["no date", 5, None])
def test_a_cursor_of_another_kind_of_column_is_no_error(value: Any) -> None:
    make(4)
    listed(f"after={Cursor(value, '2').text()}").page.rows  # noqa: B018


@pytest.mark.django_db
def test_a_filter_that_no_value_can_have_finds_nothing() -> None:
    make(4)
    assert numbers(listed("status=abc")) == []


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["", "sort=time", "status=500", "after=x"])
def test_a_file_has_every_row_once_in_the_order_of_time(
    monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr("dashboard.tables.keyset.ROWS_AT_ONCE", 4)
    make(14)
    pieces = list(listed(query).pieces())
    assert len(pieces) > 1 and max(map(len, pieces)) == 4
    whole = [int(row.request_id[4:]) for rows in pieces for row in rows]
    assert whole == numbers(listed(query, limit=50))


@pytest.mark.django_db
def test_a_file_keeps_to_an_order_that_an_index_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.tables.keyset.ROWS_AT_ONCE", 4)
    make(14)
    sorted_otherwise = [row.pk for rows in listed("sort=-status").pieces() for row in rows]
    assert sorted_otherwise == [row.pk for rows in listed("").pieces() for row in rows]


@pytest.mark.django_db
def test_requests_that_come_in_meanwhile_spoil_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.tables.keyset.ROWS_AT_ONCE", 4)
    make(10)
    pieces = listed("").pieces()
    found = [int(row.request_id[4:]) for row in next(pieces)]
    UsageRecord.objects.bulk_create(record(NOW, n) for n in range(100, 105))
    found += [int(row.request_id[4:]) for rows in pieces for row in rows]
    assert sorted(found) == list(range(10))


@pytest.mark.parametrize(
    ("query", "things", "bare"),
    [
        ("", [Thing("a", 1), Thing("b")], set()),
        ("sort=name", [Thing("a"), Thing("b")], {"size"}),
        ("sort=size", [Thing("a"), Thing("b")], set()),  # what the order is by stays
        ("", [Thing("a", 0, ""), Thing("b", 0, "")], {"colour"}),  # nought is a value
        ("sort=-name", [Thing("a", None, ""), Thing("b", 1, "")], {"colour"}),
    ],
)
def test_columns_with_nothing_on_the_page_are_known(
    query: str, things: list[Thing], bare: set[str]
) -> None:
    assert shown(query, things).bare_columns == bare
