"""How much samples may take in all: where it is more, the oldest go first.

The rows of their requests stay. A sample is a member of its row's `detail`, and `sample_bytes` is
its size, with an index of the rows that have one.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet, Sum

from bridge.models import UsageRecord

AT_ONCE = 200
"""Rows that are changed in one transaction."""
MEMBER = "sample"


def kept() -> QuerySet[UsageRecord]:
    """The rows that have a sample."""
    return UsageRecord.objects.filter(sample_bytes__gt=0)


def size() -> int:
    """Bytes of all samples. Raises django.db.Error."""
    return int(kept().aggregate(all=Sum("sample_bytes"))["all"] or 0)


def shrink(most: int) -> bool:
    """Take the oldest samples out until the rest fits into `most` bytes, a few rows at a time;
    whether there may be more to do. Raises django.db.Error."""
    excess = size() - most
    if excess <= 0:
        return False
    oldest = kept().order_by("time").values_list("pk", "sample_bytes")[:AT_ONCE]
    chosen = list[int]()
    for row, size_of_row in oldest:
        if excess <= 0:
            break
        chosen.append(row)
        excess -= size_of_row
    _take_out(chosen)
    return excess > 0


@transaction.atomic
def _take_out(chosen: list[int]) -> None:
    rows = list(UsageRecord.objects.filter(pk__in=chosen).only("detail", "sample_bytes"))
    for row in rows:
        row.detail.pop(MEMBER, None)
        row.sample_bytes = 0
    UsageRecord.objects.bulk_update(rows, ["detail", "sample_bytes"])
