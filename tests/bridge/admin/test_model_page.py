"""A model's page in the admin: what its backend's list says of it."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.admin.models import LONGEST_ENTRY
from bridge.models import DiscoveredModel
from tests.bridge.admin_pages import page, text
from tests.bridge.people import browser
from tests.bridge.rows import a_row

pytestmark = pytest.mark.django_db


def shown(entry: dict[str, Any]) -> str:
    row = DiscoveredModel.objects.create(backend=a_row("kimi"), name="k2", entry=entry)
    return text(browser("operator").get(page(row)))


def test_entry_of_the_list_is_shown_as_text() -> None:
    body = shown({"id": "k2", "supported_features": ["tools"], "note": "<script>x()</script>"})
    assert "&quot;supported_features&quot;: [" in body
    assert "&lt;script&gt;x()" in body and "<script>x()" not in body


def test_no_entry_no_heading() -> None:
    assert "Its entry in the list" not in shown({})


def test_a_huge_entry_is_cut() -> None:
    body = shown({"id": "k2", "note": "z" * (2 * LONGEST_ENTRY)})
    assert LONGEST_ENTRY / 2 < body.count("z") < LONGEST_ENTRY + 1000
