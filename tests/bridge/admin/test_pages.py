"""Every page of the admin opens for those who may see it, and no button is a link. Ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bridge.models import (
    AliasTarget,
    ApiKey,
    Backend,
    BreakerState,
    Change,
    ConfigRow,
    DiscoveredModel,
    ModelAlias,
    PersonLimits,
    Price,
    Team,
    ToolNameMap,
    WarningRule,
)
from bridge.models.changes import recorded
from tests.bridge.admin_pages import CHANGES, KINDS, START, fill, of, page, text
from tests.bridge.people import browser
from tests.bridge.rows import a_row

pytestmark = pytest.mark.django_db

LISTS = [of(kind, "changelist") for kind in (*KINDS, "change")]
NAMES = ["/admin/bridge/modelalias/route/", "/admin/bridge/modelalias/client/"]
MODELS = (
    Backend,
    ModelAlias,
    DiscoveredModel,
    ToolNameMap,
    Price,
    ApiKey,
    Team,
    PersonLimits,
    WarningRule,
)


def first_rows() -> list[ConfigRow]:
    fill(2)
    return [model._default_manager.get_queryset()[0] for model in MODELS]


def pages() -> Iterator[str]:
    """Every address that answers GET, with rows behind each list."""
    rows = first_rows()
    yield from (START, "/admin/bridge/", *LISTS, *NAMES)
    yield from (f"{address}?model=alias-1" for address in NAMES)
    yield from (of(kind, "add") for kind in KINDS if kind != "discoveredmodel")
    for row in rows:
        yield from (page(row), page(row, "history"))
        if not isinstance(row, DiscoveredModel):
            yield page(row, "delete")
    yield from (f"{CHANGES}{change.pk}/change/" for change in Change.objects.all()[:3])
    yield from (f"{address}?q=0" for address in LISTS)


@pytest.mark.parametrize("role", [pytest.param("admin", marks=pytest.mark.slow), "operator"])
def test_every_page_opens(role: str) -> None:
    """Ours: also for those who are no admins."""
    client = browser(role)
    for address in pages():
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert "{{" not in text(answer) and "{%" not in text(answer), address


def test_auditor_sees_the_history_and_nothing_of_the_routing() -> None:
    client, opened = browser("auditor"), set()
    for address in pages():
        status = client.get(address).status_code
        assert status in (200, 403), address
        opened |= {address.partition("?")[0]} if status == 200 else set()
    changes = {address for address in opened if address.startswith(CHANGES)}
    assert opened - changes == {START, "/admin/bridge/"} and len(changes) == 4
    assert "Revert" not in text(client.get(max(changes)))


def test_nobody_sees_anything() -> None:
    client = Client()
    for address in pages():
        answer = client.get(address)
        assert answer.status_code == 302, address
        assert answer["location"].startswith("/admin/login/")


def buttons() -> Iterator[str]:
    """Everything that is pressed and not opened."""
    for row in first_rows():
        options = admin.site._registry[type(row)]
        for name in (*getattr(options, "buttons", ()), "take_over"):
            yield page(row, "do", name)
        if isinstance(row, DiscoveredModel):
            yield reverse("admin:bridge_discoveredmodel_probe", args=[row.pk])
    yield reverse("admin:bridge_apikey_find")


def state() -> list[Any]:
    kinds = (*MODELS, AliasTarget, BreakerState, Change)
    return [list(kind._default_manager.order_by("pk").values()) for kind in kinds]


def test_button_is_not_pressed_by_opening_its_address() -> None:
    """Ours: browsers that prefetch, and links from elsewhere, must not change anything."""
    client, addresses = browser("admin"), list(buttons())
    before = state()
    assert len(addresses) > 15
    for address in addresses:
        answer = client.get(address)
        assert (answer.status_code, answer["allow"]) == (405, "POST"), address
    assert state() == before


def test_button_does_nothing_for_an_auditor() -> None:
    client, addresses = browser("auditor"), list(buttons())
    before = state()
    for address in addresses:
        assert client.post(address).status_code == 403, address
    assert state() == before


@pytest.mark.parametrize("button", ["delete", "save", "has_change_permission", "panel"])
def test_only_buttons_can_be_pressed(button: str) -> None:
    """Ours: the name of a button is a name of ours, not any method."""
    row = a_row()
    assert browser("admin").post(page(row, "do", button)).status_code == 403


def test_button_of_a_row_that_is_gone_is_not_found() -> None:
    assert browser("admin").post(of("backend", "do", 7, "reset")).status_code == 404


# --- how much is asked of the database ---------------------------------------------------------


def queries(client: Client, address: str) -> int:
    client.get(address)  # what is read once for a process is read before
    return queries_again(client, address)


def queries_again(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


def test_number_of_queries_does_not_grow_with_the_rows() -> None:
    """Ours: a page of twenty rows asks as often as one of five."""
    client = browser("operator")
    addresses = [START, *LISTS, *NAMES, f"{NAMES[0]}?model=alias-1"]
    with recorded("test"):
        fill(5)
    few = {address: queries(client, address) for address in addresses}
    with recorded("test"):
        fill(20, first=5)
    assert {address: queries_again(client, address) for address in addresses} == few
    assert (
        max(few.values()) < 36
    )  # the start page builds the whole configuration, and all that needs attention


def test_question_whether_to_delete_a_backend_does_not_list_its_models() -> None:
    """Ours: a backend may list five hundred; what counts are the aliases that lose a target."""
    fill(1)
    row = Backend.objects.get()
    few = queries(browser("admin"), page(row, "delete"))
    for number in range(100):
        DiscoveredModel.objects.create(backend=row, name=f"m{number}")
    client = browser("admin", "other")
    assert queries(client, page(row, "delete")) == few
    shown = text(client.get(page(row, "delete")))
    assert "what is known of its 101 models" in shown and "m57" not in shown
    assert "target vendor/model-0 of alias alias-0" in shown
