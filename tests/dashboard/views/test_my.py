"""The page of a key holder: its own usage and nothing else, opened by POST alone (pages, `/my/`;
Field 127: key holders want their own usage page without admin rights)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bridge.accounts import roles
from bridge.keys import authentication
from bridge.models import (
    AliasTarget,
    ApiKey,
    KeyLabel,
    ModelAlias,
    PersonLimits,
    UsageHour,
    UsageRecord,
)
from tests.bridge.people import a_team, a_user
from tests.dashboard import reading
from tests.dashboard.conftest import visitor
from tests.dashboard.making import CODER, LARGE, NOW, SMALL, enter, record
from tests.dashboard.months import clear

pytestmark = pytest.mark.django_db

MY, LEAVE = reverse("my"), reverse("my_leave")
FORWARDED = "cpk_somebodys_own_key_0123456789"


@pytest.fixture(autouse=True)
def counted_anew(now: None) -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def issue(name: str, **given: Any) -> tuple[ApiKey, str]:
    return ApiKey.issue(name, given)


def forwarded_fingerprint(settings: Any) -> str:
    return authentication.fingerprint(
        FORWARDED, authentication.fingerprint_key(settings.SECRET_KEY)
    )


def visit(text: str) -> Client:
    """A browser in which a key was pasted."""
    client = Client()
    answer = client.post(MY, {"key": text})
    assert (answer.status_code, answer["Location"]) == (302, MY)
    return client


def shown(client: Client, **query: str) -> reading.Node:
    answer = client.get(MY, {"range": "24h", "tz": "UTC", **query})
    assert answer.status_code == 200
    return reading.page(answer)


def by(row: ApiKey, number: int, minutes: float = 90, **told: Any) -> UsageRecord:
    at = NOW - timedelta(minutes=minutes)
    return record(at, number, key_id=row.pk, key=row.name, **told)


def is_question(root: reading.Node) -> bool:
    return bool(root.all("input", name="key"))


# --- nothing else ---------------------------------------------------------------------------------


def test_a_visit_opens_no_report() -> None:
    _, text = issue("maria")
    client = visit(text)
    names = ("overview", "keys", "models", "cache", "sessions", "requests", "live", "backends")
    for path in [reverse(f"dashboard:{name}") for name in names] + [reverse("admin:index")]:
        answer = client.get(path)
        assert answer.status_code == 302 and "/login/" in answer["Location"], path


def test_a_login_is_no_key() -> None:
    """An admin sees no key's numbers here but the own ones; the reports have them all."""
    row, _ = issue("maria")
    enter([by(row, 1)])
    root = shown(visitor(roles.ADMIN))
    assert "Nothing in this time" in root.text and "maria" not in root.text


def test_each_key_sees_its_own_usage_alone(settings: Any) -> None:
    (maria, hers), (ci, its) = issue("maria"), issue("ci")
    fingerprint = authentication.fingerprint(
        FORWARDED, authentication.fingerprint_key(settings.SECRET_KEY)
    )
    own = {"key_id": 0, "fingerprint": fingerprint, "key": f"key-{fingerprint}", "model": SMALL}
    enter(
        [
            *(by(maria, n, model=CODER) for n in range(3)),
            *(by(ci, n, model=LARGE) for n in range(10, 17)),
            *(record(NOW - timedelta(minutes=30), n, **own) for n in range(20, 22)),
        ]
    )
    seen = {}
    for text in (hers, its, FORWARDED):
        root = shown(visit(text))
        models = [row["Model"].text for row in reading.table(root)]
        seen[root.first("h1").text] = (reading.big(root)["Requests"], models)
    assert seen == {
        "maria": ("3", [CODER]),
        "ci": ("7", [LARGE]),
        f"key-{fingerprint}": ("2", [SMALL]),
    }


@pytest.mark.parametrize("others", ["key_id=2", "key=ci", "model=x", "fingerprint=a", "table=keys"])
def test_no_parameter_shows_another_keys_usage(others: str) -> None:
    (maria, hers), (ci, _) = issue("maria"), issue("ci")
    enter([by(maria, 1), *(by(ci, n) for n in range(10, 17))])
    client = visit(hers)
    name, _, value = others.partition("=")
    root = shown(client, **{name: value})
    assert reading.big(root)["Requests"] == "1"
    told = client.get(MY, {"format": "json", name: value, "tz": "UTC", "rows": "all"})
    if told["Content-Type"].startswith("application/json"):
        assert [row["requests"] for row in json.loads(reading.content(told))] == [1]
    assert "ci" not in [cell.text for cell in root.all("td")]


def test_a_holder_sees_no_names_of_others_nor_ways_to_pages_that_are_not_open() -> None:
    (maria, hers), (ci, _) = issue("maria", owner="Maria"), issue("ci-pipeline", owner="Tom")
    enter([by(maria, 1), by(ci, 2)])
    root = shown(visit(hers))
    assert "ci-pipeline" not in root.text and "Tom" not in root.text
    hrefs = [a.attrs["href"].partition("?")[0] for a in root.all("a")]
    assert not [href for href in hrefs if href.startswith(("/dashboard", "/admin"))]


# --- what is left ---------------------------------------------------------------------------------


def left(root: reading.Node) -> dict[str, str]:
    return reading.big(root)


def test_a_budget_shows_what_is_left_by_the_numbers_of_the_reports() -> None:
    row, text = issue("maria", budget_usd=Decimal("1"))
    enter(
        [
            by(row, 1, cost_nano_usd=250_000_000),
            by(row, 2, minutes=60 * 24 * 15, cost_nano_usd=130_000_000),
            by(row, 3, minutes=60 * 24 * 25, cost_nano_usd=400_000_000),
        ]
    )
    root = shown(visit(text))
    assert left(root)["Left this month"] == "$0.62"
    card = reading.cards(root)["Left this month"]
    assert "spent $0.38 of $1.00" in card.text and "38\u202f% used" in card.text
    assert "Tue 1 Apr 2025, 00:00:00 UTC" in card.text


def test_a_budget_of_a_day_begins_anew_at_midnight() -> None:
    row, text = issue("maria", budget_usd=Decimal("0.5"), period="day")
    enter([by(row, 1, cost_nano_usd=600_000_000), by(row, 2, 60 * 24, cost_nano_usd=9 * 10**9)])
    root = shown(visit(text))
    assert left(root)["Left this day"] == "$0"
    assert (
        reading.cards(root)["Left this day"].first("p", class_="big").attrs["class"].endswith("bad")
    )


def test_budgets_of_the_person_and_the_team_are_shown_too() -> None:
    """A key may be refused for what others of its team used."""
    ann = a_user(name="ann")
    team = a_team("blue", ann, budget_month=Decimal(4))
    PersonLimits.objects.create(user=ann, tokens_day=50_000)
    row, text = issue("maria", person=ann)
    spent: dict[str, Any] = {"cost_nano_usd": 10**9, "team": "blue", "team_id": team.pk}
    enter([by(row, 1, person="ann", person_id=ann.pk, **spent), record(NOW, 2, key_id=9, **spent)])
    root = shown(visit(text))
    assert left(root)["Left this month, team blue"] == "$2.00"
    assert "Tokens left this day, all your keys" in left(root)


def test_limits_of_a_minute_count_what_was_let_in() -> None:
    row, text = issue("maria", rpm=10, tpm=20_000, concurrent=4)
    refused = {"status": 429, "attempts": 0, "input_tokens": 0, "output_tokens": 0}
    enter(
        [
            *(by(row, n, minutes=0.5) for n in range(3)),
            by(row, 8, minutes=0.5, cache_read_tokens=0, **refused),
            by(row, 9, minutes=2),
        ]
    )
    told = left(shown(visit(text)))
    assert told["Requests left this minute"] == "7"
    assert told["Tokens left this minute"] == "7\u202f400"
    assert told["Requests at once"] == "4"


def test_a_key_without_limits_is_told_so(settings: Any) -> None:
    _, text = issue("maria")
    assert "no limits of its own" in shown(visit(text)).text
    fingerprint = authentication.fingerprint(
        FORWARDED, authentication.fingerprint_key(settings.SECRET_KEY)
    )
    UsageHour.objects.create(hour=NOW, fingerprint=fingerprint)
    assert "its own are the backend’s" in shown(visit(FORWARDED)).text


def test_a_forwarded_key_is_called_as_operators_call_it(settings: Any) -> None:
    fingerprint = authentication.fingerprint(
        FORWARDED, authentication.fingerprint_key(settings.SECRET_KEY)
    )
    UsageHour.objects.create(hour=NOW, fingerprint=fingerprint)
    KeyLabel.objects.create(fingerprint=fingerprint, name="team Z")
    assert shown(visit(FORWARDED)).first("h1").text == "team Z"


def test_expiry_is_told() -> None:
    _, text = issue("maria", expires_at=timezone.now() + timedelta(days=3))
    assert "good until" in shown(visit(text)).text


def test_sampling_is_told_while_it_is_on() -> None:
    row, text = issue("maria", sample_percent=5)
    client = visit(text)
    mark = shown(client).first("section", class_="sampled").text
    assert "Of 5 % of your requests" in mark and "keeps the prompt and the answer" in mark
    ApiKey.objects.filter(pk=row.pk).update(sample_percent=0)
    assert not shown(client).all("section", class_="sampled")


# --- its client -----------------------------------------------------------------------------------


@pytest.fixture
def aliases(backends: Any) -> None:
    for pattern, backend, model in (("claude-*", 0, CODER), ("large", 1, LARGE)):
        alias = ModelAlias.objects.create(pattern=pattern)
        AliasTarget.objects.create(alias=alias, backend=backends[backend], model=model)


def offers(root: reading.Node) -> list[str]:
    return [a.text for a in root.first("ul", class_="offers").all("a")]


def test_models_that_may_be_asked_for_are_listed_with_settings(aliases: None) -> None:
    _, text = issue("maria", allowed="large\nclaude-*")
    client = visit(text)
    root = shown(client)
    assert offers(root) == ["claude-*", "large"]
    assert "Your key is for large, claude-*" in root.text
    settings = root.first("section", class_="client-settings")
    assert f"export ANTHROPIC_MODEL=claude-{CODER}" in settings.text
    assert "export ANTHROPIC_BASE_URL=http://testserver" in settings.text
    assert "YOUR_KEY" in settings.text and text not in settings.text
    other = shown(client, model="claude-*").first("section", class_="client-settings")
    assert "ANTHROPIC_MODEL='claude-*'" in other.text


def test_settings_are_given_for_nothing_that_the_key_may_not_use(aliases: None) -> None:
    _, text = issue("maria", allowed="large")
    root = shown(visit(text), model=CODER)
    assert CODER not in root.first("section", class_="client-settings").text


def test_a_key_for_nothing_that_exists_is_told_so(aliases: None) -> None:
    _, text = issue("maria", allowed="nothing-of-this-name")
    root = shown(visit(text))
    assert "Your key may use no model that exists" in root.text
    assert not root.all("section", class_="client-settings")


def test_with_nothing_used_the_page_leads_to_the_settings(aliases: None) -> None:
    _, text = issue("maria")
    root = shown(visit(text))
    assert "Nothing in this time" in root.text
    assert "#client" in [a.attrs["href"] for a in root.all("a")]


# --- how many queries -----------------------------------------------------------------------------


def test_the_page_takes_thirteen_queries_however_many_requests(aliases: None) -> None:
    limits = {"budget_usd": Decimal("5"), "rpm": 10, "tpm": 10_000, "concurrent": 2}
    row, text = issue("maria", **limits)
    client = visit(text)
    counts = []
    for number in (3, 3000):
        clear()
        enter(by(row, n, minutes=n / 3) for n in range(number))
        with CaptureQueriesContext(connection) as seen:
            shown(client)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 13
