"""Where a request for a name would go: the request described in a form, each target judged."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from bridge.admin.route_explanation import RouteExplanation
from bridge.models import Backend, BreakerState, DiscoveredModel, ModelAlias
from tests.bridge.admin_pages import of, page, text
from tests.bridge.people import browser
from tests.bridge.rows import a_row, an_alias

pytestmark = pytest.mark.django_db

ROUTE = "/admin/bridge/modelalias/route/"


@pytest.fixture
def client() -> Client:
    return browser("operator")


@pytest.fixture
def main() -> Backend:
    row = a_row()
    for name, context in (("small", 8_000), ("seer", 32_000), ("large", 200_000), ("cheap", None)):
        DiscoveredModel.objects.create(backend=row, name=name, context=context)
    return row


@pytest.fixture
def fast(main: Backend) -> ModelAlias:
    alias = an_alias("fast")
    rows: list[dict[str, Any]] = [
        {"model": "cheap", "request_classes": "subagent,auxiliary", "agent_types": "Explore"},
        {"model": "seer", "has_image": True, "weight": 3},
        {"model": "gone", "asks_to_think": True, "prompt_above": 150_000},
        {"model": "small"},
        {"model": "large"},
    ]
    for position, row in enumerate(rows):
        alias.targets.create(backend=main, position=position, **row)
    return alias


def decided(client: Client, **request: Any) -> RouteExplanation:
    found = client.get(ROUTE, {"model": "fast", **request}).context["decision"]
    assert isinstance(found, RouteExplanation)
    return found


def order(decision: RouteExplanation) -> list[tuple[str, int | None]]:
    return [(stop.target.model, stop.place) for stop in decision.stops]


@pytest.mark.parametrize(
    ("request_", "model"),
    [
        ({}, "small"),
        ({"request_class": "subagent", "agent_type": "explore"}, "cheap"),
        ({"request_class": "subagent"}, "small"),
        ({"image": "on"}, "seer"),
        ({"prompt_tokens": "20000"}, "large"),
        ({"prompt_tokens": "5000", "max_tokens": "100"}, "small"),
        ({"prompt_tokens": "5000"}, "large"),
        ({"prompt_tokens": "160000", "thinking": "on"}, "gone"),
        ({"request_class": "none"}, "small"),
        ({"request_class": "judge"}, "small"),
    ],
)
@pytest.mark.usefixtures("fast")
def test_request_as_described_is_routed(
    client: Client, request_: dict[str, str], model: str
) -> None:
    """W12."""
    decision = decided(client, **request_)
    assert decision.target is not None and decision.target.model == model
    assert [stop.target.model for stop in decision.stops if stop.serves] == [model]


@pytest.mark.usefixtures("fast")
def test_all_targets_are_shown_those_that_are_asked_first(client: Client) -> None:
    assert order(decided(client, image="on", prompt_tokens="20000")) == [
        ("seer", 1),
        ("large", 2),
        ("cheap", None),
        ("gone", None),
        ("small", None),
    ]


@pytest.mark.usefixtures("fast")
def test_each_condition_is_met_or_not(client: Client) -> None:
    stops = {stop.target.model: stop for stop in decided(client, thinking="on").stops}
    assert stops["gone"].conditions == (("thinking", True), ("150,000 tokens or more", False))
    assert stops["cheap"].conditions == (
        ("class subagent or auxiliary", False),
        ("agent type Explore", False),
    )
    assert stops["small"].conditions == ()
    shown = text(client.get(ROUTE, {"model": "fast", "thinking": "on"}))
    assert 'thinking: <span class="gw-success">met</span>' in shown
    assert '150,000 tokens or more: <span class="gw-danger">not met</span>' in shown


@pytest.mark.usefixtures("fast")
def test_target_that_the_request_does_not_fit_says_why(client: Client) -> None:
    decision = decided(client, prompt_tokens="20000")
    small = next(stop for stop in decision.stops if stop.target.model == "small")
    assert (small.verdict, small.place) == ("Passed over", None)
    assert small.why == ("about 20,000 tokens and 4,000 for the answer exceed its window of 8,000")
    shorter = next(
        stop for stop in decided(client, prompt_tokens="5000").stops if stop.target.model == "small"
    )
    assert shorter.place is not None and shorter.why.startswith("with a shorter answer: about")


@pytest.mark.usefixtures("fast")
def test_weight_window_and_a_model_that_is_not_listed_are_shown(client: Client) -> None:
    shown = text(client.get(ROUTE, {"model": "fast", "image": "on"}))
    assert shown.count("not listed by its backend") == 1
    assert 'data-label="Weight" class="gw-number">3<' in shown
    assert 'data-label="Window" class="gw-number">200\u202f000<' in shown


def test_request_that_fits_no_window_shows_what_the_client_reads(
    client: Client, main: Backend
) -> None:
    alias = an_alias("fast", (main, "small"), (main, "large"))
    answer = client.get(ROUTE, {"model": "fast", "prompt_tokens": "900000"})
    assert dict(order(answer.context["decision"])) == {"small": None, "large": None}
    shown = text(answer)
    assert "No target takes this request" in shown and page(alias) in shown
    assert "prompt is too long: 900000 tokens &gt; 200000 maximum" in shown


def test_model_that_is_asked_already_says_so(client: Client, main: Backend) -> None:
    alias = an_alias("fast")
    alias.targets.create(backend=main, model="large", request_classes="main")
    alias.targets.create(backend=main, model="large", position=1)
    first, second = decided(client).stops
    assert (first.place, second.place) == (1, None)
    assert second.why == "the same model takes this request in front of it"


def test_request_that_no_target_takes_shows_the_conditions(client: Client, main: Backend) -> None:
    alias = an_alias("fast")
    alias.targets.create(backend=main, model="cheap", request_classes="subagent")
    answer = client.get(ROUTE, {"model": "fast"})
    (stop,) = answer.context["decision"].stops
    assert stop.conditions == (("class subagent", False),)
    assert "has no target that takes a request like this one" in text(answer)


def test_next_target_serves_where_the_first_cannot_be_called(client: Client, main: Backend) -> None:
    """As fallback has it: an open breaker first, then what is not reachable."""
    forced, away = a_row("forced", breaker_mode="open"), a_row("away")
    BreakerState.objects.create(backend=away, reachable=False)
    alias = an_alias("fast")
    for position, backend in enumerate((forced, away, main)):
        alias.targets.create(backend=backend, model="large", position=position)
    decision = decided(client)
    assert [stop.verdict for stop in decision.stops] == [
        "Cannot be called now",
        "Next, if those before cannot answer",
        "Serves",
    ]
    alias.targets.filter(backend=main).delete()
    assert [stop.serves for stop in decided(client).stops] == [False, True]
    alias.targets.filter(backend=away).delete()
    assert decided(client).target is None
    assert "No target can be called now" in text(client.get(ROUTE, {"model": "fast"}))


@pytest.mark.parametrize(
    "request_",
    [
        {"prompt_tokens": "many"},
        {"prompt_tokens": "-1"},
        {"max_tokens": "9" * 30},
        {"request_class": "<b>"},
        {"agent_type": "x" * 400},
    ],
)
@pytest.mark.usefixtures("fast")
def test_request_that_makes_no_sense_is_refused_at_its_field(
    client: Client, request_: dict[str, str]
) -> None:
    answer = client.get(ROUTE, {"model": "fast", **request_})
    assert answer.status_code == 200 and "decision" not in answer.context
    assert list(answer.context["described"].errors) == list(request_)
    assert "gw-below gw-danger" in text(answer) and "<b>" not in text(answer)


@pytest.mark.usefixtures("fast")
def test_form_keeps_what_was_described(client: Client) -> None:
    described = {"request_class": "workflow", "agent_type": "Plan", "prompt_tokens": "7"}
    shown = text(client.get(ROUTE, {"model": "fast", "image": "on", **described}))
    assert '<option value="workflow" selected>' in shown
    assert 'value="Plan"' in shown and 'value="7"' in shown and "checked" in shown


def test_page_without_a_name_decides_nothing(client: Client) -> None:
    answer = client.get(ROUTE)
    assert "decision" not in answer.context
    assert "errorlist" not in text(answer)


def test_a_judge_is_looked_up_as_a_judge(client: Client, main: Backend) -> None:
    """An alias for other requests leaves the judge's without a target."""
    alias = an_alias("guard")
    alias.targets.create(backend=main, model="small", request_classes="main")
    row = an_alias("fast", (main, "small"), safeguards="judge: guard")
    given = {
        "pattern": "fast", "enabled": "on",
        "safeguards_choice": "judge", "safeguards_judge": "guard",
        "targets-TOTAL_FORMS": 1, "targets-INITIAL_FORMS": 1,
        "targets-0-id": row.targets.get().pk, "targets-0-alias": row.pk,
        "targets-0-backend": main.pk, "targets-0-model": "small",
        "targets-0-position": 0, "targets-0-weight": 1,
    }  # fmt: skip
    answer = client.post(of("modelalias", "change", row.pk), given, follow=True)
    assert any("“guard” leads nowhere" in str(said) for said in answer.context["messages"])
