"""Filters that write numbers, and tags for tables and charts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard.display import cells, formatting
from dashboard.display.cells import Clock
from dashboard.display.charts import Chart
from dashboard.tables.table import Column, Table

register = template.Library()


def _clock(context: template.Context) -> Clock:
    frame = context["frame"]
    return Clock(frame.now, frame.zone)


def _filter(kind: str) -> None:
    def write(value: Any) -> SafeString:
        if value is None or value == "":
            return format_html('<span class="none">{}</span>', "–")
        return cells.KINDS[kind](value, None)  # type: ignore[arg-type]

    register.filter(kind, write)


for _kind in (
    "count",
    "tokens",
    "bytes",
    "money",
    "ms",
    "share",
    "rate",
    "state",
    "meter",
    "spark",
):
    _filter(_kind)


@register.simple_tag(takes_context=True)
def ago(context: template.Context, at: datetime | None) -> SafeString:
    """How long ago, the exact time in the visitor's zone on hover."""
    return cells.html("time", at, _clock(context))


@register.simple_tag(takes_context=True)
def exactly(context: template.Context, at: datetime) -> str:
    """The moment itself, in the visitor's zone."""
    return formatting.moment(at, context["frame"].zone)


@register.simple_tag(takes_context=True)
def to(context: template.Context, view: str, *args: object, **changes: str) -> str:
    """The address of another page, for the same time."""
    href: str = context["frame"].to(view, *args, **changes)
    return href


@register.simple_tag(takes_context=True)
def here_with(context: template.Context, **changes: str) -> str:
    """The address of this page with other parameters."""
    href: str = context["frame"].here(**changes)
    return href


@register.simple_tag(takes_context=True)
def cell(context: template.Context, table: Table[Any], column: Column, row: Any) -> SafeString:
    """The inside of one cell: its value, as a link where a page or a filter is behind it."""
    value = column.of(row)
    text = cells.html(column.kind, value, _clock(context))
    if column.link is not None:
        href = column.link(row)
        return format_html('<a href="{}">{}</a>', href, text) if href else text
    if column.filter and value not in (None, "") and column not in table.filters:
        href, hint = table.filter_href(column, value), f"Only {column.title.lower()} {value}"
        return format_html('<a class="filter" href="{}" title="{}">{}</a>', href, hint, text)
    return text


@register.simple_tag
def sort_link(table: Table[Any], column: Column) -> SafeString:
    link = table.sort_link(column)
    arrow = ("↓" if table.order.descending else "↑") if link.current else ""
    return format_html(
        '<a href="{}" title="{}">{}<span aria-hidden="true" class="arrow">{}</span></a>',
        link.href,
        link.hint or f"Sort by {column.title.lower()}",
        link.title,
        arrow,
    )


@register.simple_tag
def sorted_by(table: Table[Any], column: Column) -> str:
    """For aria-sort."""
    if table.order.column != column:
        return "none"
    return "descending" if table.order.descending else "ascending"


@register.inclusion_tag("dashboard/chart.html")
def chart(chart: Chart) -> dict[str, Any]:
    return {"chart": chart, "data": chart.data(), "data_id": f"{chart.id}-data"}


@register.inclusion_tag("dashboard/table.html", takes_context=True)
def table(context: template.Context, table: Table[Any]) -> dict[str, Any]:
    return {"table": table, "frame": context["frame"]}
