"""Lists of the admin: what stands in them, what an empty one says, and the menu beside them."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateTimeField, Model
from django.test import Client

from bridge.models import DiscoveredModel, Price
from tests.bridge.admin_pages import of, page, text
from tests.bridge.people import browser
from tests.bridge.rows import a_row, an_alias

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return browser("operator")


@pytest.mark.parametrize(
    ("kind", "says", "link"),
    [
        ("backend", "built-in demo", of("backend", "add")),
        ("modelalias", "claude-sonnet-*", of("modelalias", "add")),
        ("discoveredmodel", "read every minute", of("backend", "changelist")),
        ("toolnamemap", "run_shell for Bash", of("toolnamemap", "add")),
        ("price", "No price yet", of("price", "add")),
        ("apikey", "No key issued yet", of("apikey", "add")),
        ("team", "No team yet", of("team", "add")),
        ("personlimits", "Nobody has limits", of("personlimits", "add")),
        ("change", "a button to take it back", ""),
    ],
)
def test_empty_list_says_what_will_be_there_and_how(
    client: Client, kind: str, says: str, link: str
) -> None:
    """ui: says what will appear here and gives the one link that makes it appear."""
    shown = text(client.get(of(kind, "changelist")))
    assert says in shown
    assert f'<a class="gw-button gw-primary" href="{link}">' in shown or (
        f'<a class="gw-button" href="{link}">' in shown or not link
    )


def test_list_in_which_nothing_fits_offers_all(client: Client) -> None:
    a_row()
    shown = text(client.get(of("backend", "changelist") + "?q=zzz"))
    assert "Nothing fits." in shown and "Show all backends" in shown
    assert "built-in demo" not in shown


def test_names_stand_in_the_head_as_they_are(client: Client) -> None:
    """Ours: a model is not called Test/alpha when its name is test/alpha."""
    model = DiscoveredModel.objects.create(backend=a_row(), name="test/alpha")
    shown = text(client.get(page(model)))
    assert ">test/alpha</a>" in shown and "Test/alpha" not in shown


@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("/admin/", "Overview"),
        (of("modelalias", "changelist"), "Aliases"),
        ("/admin/bridge/modelalias/route/", "Where does a name lead?"),
        ("/admin/bridge/modelalias/client/", "Client settings"),
        (of("discoveredmodel", "changelist"), "Models"),
        ("/admin/bridge/modelalias/add/", "Aliases"),
        ("/admin/password_change/", ""),
    ],
)
def test_menu_marks_one_entry(client: Client, address: str, title: str) -> None:
    """Ours: some addresses lie below others."""
    menu = client.get(address).context["sidebar_navigation"]
    marked = [item["title"] for group in menu for item in group["items"] if item["active"]]
    assert marked == ([title] if title else [])


def test_backends_can_be_sought_and_filtered(client: Client) -> None:
    a_row("east", breaker_mode="open")
    a_row("west", url="https://west.example.com/v1")

    def found(query: str) -> list[str]:
        changelist = client.get(of("backend", "changelist") + query).context["cl"]
        return [row.name for row in changelist.result_list]

    assert found("?q=west.example") == ["west"]
    assert found("?breaker_mode__exact=open") == ["east"]
    assert (found("?o=1"), found("?o=-1")) == (["east", "west"], ["west", "east"])


def test_prices_are_written_short_and_exact(client: Client) -> None:
    Price.objects.create(
        model="m", input_per_mtok="0.5", output_per_mtok="12", cache_read_per_mtok="0.000125"
    )
    shown = text(client.get(of("price", "changelist")))
    for price in (">0.50<", ">12.00<", ">0.000125<", ">as input<"):
        assert price in shown


def test_alias_that_leads_nowhere_is_told(client: Client) -> None:
    an_alias("lost")
    assert "nowhere" in text(client.get(of("modelalias", "changelist")))


def test_overrides_of_an_alias_stand_in_one_line(client: Client) -> None:
    an_alias(
        "a", (a_row(), "m"), thinking="off", temperature=0.5, max_tokens=16000, system_prefix="Hi"
    )
    shown = text(client.get(of("modelalias", "changelist")))
    assert "thinking off, temperature 0.5, at most 16\u202f000 tokens, system prefix" in shown


def test_probe_is_counted_in_the_list_of_models(client: Client) -> None:
    checks = [{"title": "t", "works": works, "evidence": "e"} for works in (True, False, None)]
    DiscoveredModel.objects.create(backend=a_row(), name="m", evidence=checks)
    assert "1 of 3 work" in text(client.get(of("discoveredmodel", "changelist")))


def test_menu_leads_to_the_reports(client: Client) -> None:
    for visitor in (client, browser("auditor")):
        assert 'href="/dashboard/"' in text(visitor.get("/admin/bridge/change/"))


def _is_moment(model: type[Model], name: str) -> bool:
    try:
        return isinstance(model._meta.get_field(name), DateTimeField)
    except FieldDoesNotExist:
        return False


def test_moments_are_shown_as_ages_and_never_as_a_bare_date() -> None:
    """A bare date has no zone beside it; `formatting.moment` gives both."""
    bare = [
        f"{model.__name__}.{name}"
        for model, page_of in admin.site._registry.items()
        for name in map(str, page_of.list_display)
        if not hasattr(page_of, name) and _is_moment(model, name)
    ]
    assert len(admin.site._registry) > 10
    assert bare == []
