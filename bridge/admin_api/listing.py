"""Lists in pages, as the vendor's Admin API has them: `data`, `has_more`, `first_id`, `last_id`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from django.db.models import Model, QuerySet
from msgspec import Meta

from bridge.admin_api.reading import invalid

MOST = 1000
_CURSOR = "expected the first_id or last_id of a page"
LARGEST_ID = 2**63 - 1

Limit = Annotated[int, Meta(ge=1, le=MOST, description="How many of them at most.")]


class ListQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which page of a list. `after_id` or `before_id`: the `last_id` or `first_id` of another."""

    limit: Limit = 100
    after_id: str = ""
    before_id: str = ""


def page_struct(name: str, item: Any) -> type[msgspec.Struct]:
    """The struct of one page of such items."""
    return msgspec.defstruct(
        name,
        [
            ("data", list[item]),
            ("has_more", bool),
            ("first_id", str | None),
            ("last_id", str | None),
        ],
        module=__name__,
        kw_only=True,
    )


def page(rows: QuerySet[Any], query: ListQuery, shown: Callable[[Any], Any]) -> dict[str, Any]:
    """One page of rows in the order in which they were made. Raises a 400."""
    if query.after_id and query.before_id:
        raise invalid("before_id", "expected either after_id or before_id")
    if query.before_id:
        before = rows.filter(pk__lt=_number("before_id", query.before_id)).order_by("-pk")
        found = list(before[: query.limit + 1])
        has_more, kept = len(found) > query.limit, found[: query.limit][::-1]
    else:
        after = _number("after_id", query.after_id) if query.after_id else 0
        found = list(rows.filter(pk__gt=after).order_by("pk")[: query.limit + 1])
        has_more, kept = len(found) > query.limit, found[: query.limit]
    return {
        "data": [shown(row) for row in kept],
        "has_more": has_more,
        "first_id": _id(kept[0]) if kept else None,
        "last_id": _id(kept[-1]) if kept else None,
    }


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= LARGEST_ID):
        raise invalid(name, _CURSOR)
    return int(text)


def _id(row: Model) -> str:
    return str(row.pk)
