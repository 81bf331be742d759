"""What requests were for: one row for each class of a time, with the way to its requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dashboard.display import formatting
from dashboard.display.purposes import BESIDE, UNKNOWN_CLASS, class_name
from dashboard.pages.page import Frame
from dashboard.tables.table import Column, InMemory, Table
from dashboard.usage.classes import ClassUse


def classes_table(frame: Frame, uses: Sequence[ClassUse]) -> Table[ClassUse]:
    def to_requests(use: ClassUse) -> str:
        return frame.to("requests", request_class=use.request_class or UNKNOWN_CLASS)

    def to_dearest(use: ClassUse) -> str:
        asked = use.request_class or UNKNOWN_CLASS
        return frame.to("requests", request_class=asked, sort="-cost") if use.total.cost else ""

    def name(use: ClassUse) -> str:
        return class_name(use.request_class)

    return Table(
        frame,
        "What requests were for",
        [
            Column("what", "For", "name", name, link=to_requests),
            Column("requests", "Requests", "count", lambda u: u.total.requests, link=to_requests),
            Column("tokens", "Tokens", "tokens", lambda use: use.total.tokens),
            Column("cost", "Cost", "money", lambda use: use.total.cost, link=to_dearest),
            Column("part", "Of the cost", "share"),
            Column("request_class", "Class", shown=False, sorts=False),
        ],
        InMemory(uses, lambda use: use.request_class),
        "-cost",
        "classes",
        note=_beside(uses),
    )


def _beside(uses: Iterable[ClassUse]) -> str:
    """What sub-agents, compaction and side calls cost together; "" where nothing is known."""
    parts = [use for use in uses if use.request_class in BESIDE]
    cost = sum(use.total["cost_nano_usd"] for use in parts)
    if not cost:
        return ""
    part = sum(use.part or 0 for use in parts)
    return (
        f"Sub-agents, compaction and side calls cost {formatting.money(cost).text}, "
        f"{formatting.share(part).text} of all."
    )
