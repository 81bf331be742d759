"""The ledger that pages are measured with is one that the writer could have written."""

from __future__ import annotations

import pytest

from bridge.ledger.audit import audit
from bridge.models import ApiKey, UsageRecord
from tests.sizes.big_ledger import fill


@pytest.mark.django_db(transaction=True)
def test_rows_and_sums_of_the_copies_agree() -> None:
    """Ours: three days of the writer's and two copies of them, by other keys."""
    fill(300, keys=40, days=9)
    found = audit()
    assert (found.requests, found.differences) == (300, [])
    assert set(UsageRecord.objects.values_list("key_id", flat=True)) <= set(
        ApiKey.objects.values_list("pk", flat=True)
    )
    named = UsageRecord.objects.values_list("key_id", "key", "person_id", "person")
    assert all(row == (row[0], f"key-{row[0]}", row[2], f"person-{row[2]}") for row in named)
    assert UsageRecord.objects.exclude(error_group="").exists()
