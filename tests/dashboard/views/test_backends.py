"""Backends: their state at a glance, and buttons that come back (pages, `/dashboard/backends/`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from bridge.accounts import roles
from bridge.models import Backend, BreakerMode, BreakerState, Change
from tests.dashboard import reading
from tests.dashboard.conftest import visitor
from tests.dashboard.making import CODER, LARGE, NOW, enter, record

pytestmark = pytest.mark.django_db

PAGE = reverse("dashboard:backends")


def shown(client: Client, **query: str) -> reading.Node:
    answer = client.get(PAGE, {"tz": "UTC", **query})
    assert answer.status_code == 200
    return reading.page(answer)


def card(root: reading.Node, name: str) -> reading.Node:
    return root.first("section", id=name)


def facts(node: reading.Node) -> dict[str, str]:
    told = node.first("dl").all("div")
    return {one.first("dt").text: one.first("dd").text for one in told}


@pytest.fixture
def staff(now: None) -> Client:
    """An operator who may press buttons of the admin."""
    client = visitor(roles.OPERATOR)
    User.objects.update(is_staff=True)
    return client


def test_auditors_see_no_backends(auditor: Client, backends: Any) -> None:
    """Roles: they see no routing."""
    assert auditor.get(PAGE).status_code == 403
    links = reading.page(auditor.get(reverse("dashboard:live"))).first("nav").all("a")
    assert "Backends" not in [link.text for link in links]


def test_operators_have_the_page_in_the_menu(operator: Client, backends: Any) -> None:
    links = shown(operator).first("nav").all("a")
    assert "Backends" in [link.text for link in links]


def test_the_head_says_how_many_are_ill(operator: Client, backends: Any) -> None:
    assert shown(operator).first("h1").text == "1 of 2 backends needs attention"
    BreakerState.objects.update(failures=0, opened_at=None)
    assert shown(operator).first("h1").text == "All backends serve"


def test_a_card_tells_state_breaker_and_last_error(operator: Client, backends: Any) -> None:
    spare = card(shown(operator), "spare")
    assert "No requests" in spare.text and "breaker open" in spare.text
    assert "6 failures in a row" in spare.text
    assert "The backend answered with status 503" in spare.text
    clock = spare.first("b", data_until="*").attrs["data-until"]
    assert clock == (NOW + timedelta(seconds=20)).isoformat()
    assert "Serving" in card(shown(operator), "main").text


def test_a_card_tells_traffic_and_latency(operator: Client, backends: Any) -> None:
    """From the sums of hours: half of the answers, and nearly all."""
    at = NOW - timedelta(hours=1)
    enter(
        [record(at, n, duration_ms=4000, first_token_ms=400) for n in range(6)]
        + [record(at, 6, status=502, error_type="api_error")]
        + [record(at, 7, backend="spare", status=404)]
        + [record(at, 8, backend="", model="", status=404, attempts=0)]
    )
    told = facts(card(shown(operator), "main"))
    assert told["Requests"] == "7 88\u202f% of all"
    assert (told["Attempts"], told["Failed"]) == ("7", "14\u202f% server error 1")
    assert told["First byte"].startswith("6") and "95 % within" in told["First byte"]
    assert told["First token"].startswith("4") and "95 % within" in told["First token"]
    assert told["Whole answer"].startswith("4.")
    spare = facts(card(shown(operator), "spare"))
    assert spare["Requests"].startswith("1 ") and spare["Failed"] == "0\u202f%"
    assert spare["Refused"] == "100\u202f% 1 with status 300 to 499"


def test_a_backend_that_others_answer_for_shows_its_failures(
    operator: Client, backends: Any
) -> None:
    """65 failures in a row that all fell back: no request failed, every attempt did."""
    at = NOW - timedelta(hours=1)
    listed = [
        {
            "backend": "spare",
            "model": LARGE,
            "kind": "server_error",
            "status": 500,
            "fell_back": True,
        },
        {"backend": "main", "model": CODER, "kind": "answered", "status": 200, "took_ms": 900},
    ]
    enter(record(at, n, attempts=2, attempt_list=listed) for n in range(65))
    spare = card(shown(operator), "spare")
    told = facts(spare)
    assert (told["Attempts"], told["Requests"]) == ("65 65 fell back", "0 0\u202f% of all")
    assert told["Failed"] == "100\u202f% server error 65"
    assert spare.first("dl").first("span", class_="state").attrs["class"] == "state bad"
    assert facts(card(shown(operator), "main"))["Failed"] == "0\u202f%"
    BreakerState.objects.update(failures=0, opened_at=None)
    assert shown(operator).first("h1").text == "1 of 2 backends needs attention"


def test_a_card_without_traffic_says_so(operator: Client, backends: Any) -> None:
    assert "It was not asked in this time" in card(shown(operator), "main").text


def test_a_backend_that_is_off_has_no_breaker_to_press(operator: Client, backends: Any) -> None:
    Backend.objects.filter(name="spare").update(enabled=False)
    titles = [button.text for button in card(shown(operator), "spare").all("button")]
    assert "Open breaker" not in titles and "Test" in titles


def test_without_a_backend_the_page_leads_to_one(operator: Client) -> None:
    root = shown(operator)
    assert "built-in demo" in root.text
    assert reverse("admin:bridge_backend_add") in [a.attrs["href"] for a in root.all("a")]


# --- buttons --------------------------------------------------------------------------------------


def form(node: reading.Node, title: str) -> tuple[str, dict[str, str]]:
    """Where the form of a button posts to, and what."""
    for one in node.all("form"):
        if title in [button.text for button in one.all("button")]:
            fields = {n.attrs["name"]: n.attrs["value"] for n in one.all("input")}
            return one.attrs["action"], fields
    raise AssertionError(f"no button {title}")


@pytest.mark.parametrize(
    ("title", "mode"), [("Open breaker", BreakerMode.OPEN), ("Close breaker", BreakerMode.CLOSED)]
)
def test_a_button_acts_and_comes_back_to_its_card(
    staff: Client, backends: Any, title: str, mode: str
) -> None:
    """Pressed as a browser does: with the token of the page, which others cannot know."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.get())
    root = reading.page(browser.get(PAGE, {"range": "7d", "tz": "UTC"}))
    action, fields = form(card(root, "main"), title)
    answer = browser.post(action, fields)
    assert answer.status_code == 302
    assert answer["Location"] == f"{PAGE}?range=7d&tz=UTC#main"
    assert Backend.objects.get(name="main").breaker_mode == mode
    assert Change.objects.latest("pk").actor == "the-operator"
    told = reading.page(browser.get(answer["Location"]))
    assert "circuit breaker" in told.first("p", class_="message").text
    del fields["csrfmiddlewaretoken"]
    assert browser.post(action, fields).status_code == 403


def test_a_reset_forgets_the_failures(staff: Client, backends: Any) -> None:
    action, fields = form(card(shown(staff), "spare"), "Reset breaker")
    staff.post(action, fields)
    state = BreakerState.objects.get()
    assert (state.failures, state.opened_at) == (0, None)


def test_a_forced_breaker_can_be_left_to_itself_again(staff: Client, backends: Any) -> None:
    Backend.objects.filter(name="main").update(breaker_mode=BreakerMode.OPEN)
    main = card(shown(staff), "main")
    assert "forced open" in main.text
    action, fields = form(main, "Automatic")
    staff.post(action, fields)
    assert Backend.objects.get(name="main").breaker_mode == BreakerMode.AUTOMATIC


@pytest.mark.parametrize(
    "then",
    ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "", "/\\evil.example"],
)
def test_a_button_leads_to_no_other_place(staff: Client, backends: Any, then: str) -> None:
    """A form of ours names a page of ours; whatever else is there, the row's own page it is."""
    action, fields = form(card(shown(staff), "main"), "Open breaker")
    answer = staff.post(action, fields | {"next": then})
    main = Backend.objects.get(name="main")
    assert answer["Location"] == reverse("admin:bridge_backend_change", args=[main.pk])


def test_each_listed_model_can_be_probed(operator: Client, backends: Any) -> None:
    main = card(shown(operator), "main")
    (option,) = main.first("select").all("option")
    model = backends[0].models.get()
    assert option.text == CODER
    assert option.attrs["value"] == reverse("admin:bridge_discoveredmodel_probe", args=[model.pk])
