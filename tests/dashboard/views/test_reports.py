"""What the overview, the pages of keys and those of models tell (pages, "The pages")."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bridge.models import ApiKey, UsageRecord
from dashboard.display import formatting
from tests.dashboard import reading
from tests.dashboard.making import (
    CODER,
    FORWARDED,
    LARGE,
    NOW,
    SMALL,
    enter,
    issue_keys,
    record,
)
from tests.dashboard.months import enter_month

pytestmark = pytest.mark.django_db

OVERVIEW = reverse("dashboard:overview")
KEYS, MODELS = reverse("dashboard:keys"), reverse("dashboard:models")
MARIA = reverse("dashboard:key", args=["2"])
INTERN = reverse("dashboard:key", args=["4"])
TEAM = reverse("dashboard:key", args=[f"f-{FORWARDED}"])
ONE_MODEL = reverse("dashboard:model", args=[CODER])


def get(client: Client, path: str, query: str = "range=90d&tz=Europe/Berlin") -> reading.Node:
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 200, path
    return reading.page(answer)


@pytest.fixture
def some(backends: Any) -> list[UsageRecord]:
    issue_keys()
    return enter_month(400)


# --- the overview ---------------------------------------------------------------------------------


def test_the_state_comes_first(auditor: Client, some: list[UsageRecord]) -> None:
    root = get(auditor, OVERVIEW)
    assert root.first("h1").text == "Degraded"
    told = root.first("ul", class_="line").text
    assert "main serving" in told
    assert "spare breaker open, tried again in" in told
    assert "newest request" in told


def test_the_four_numbers_and_their_change(auditor: Client) -> None:
    hour = timedelta(hours=1)
    enter(
        [
            *(record(NOW - hour, n) for n in range(6)),
            record(NOW - hour, 6, status=500, output_tokens=0, cost_nano_usd=0),
            record(NOW - hour, 7, status=429, input_tokens=0, cache_read_tokens=0),
            *(record(NOW - 26 * hour, n) for n in range(10, 14)),
        ]
    )
    root = get(auditor, OVERVIEW, "range=24h&tz=UTC")
    told = reading.big(root)
    assert told["Requests"] == "8" and told["Error share"].startswith("12")
    assert told["Cost"] == formatting.money(7 * 630_000).text
    cards = reading.cards(root)
    change = cards["Requests"].first("p", class_="change")
    assert "+100" in change.text
    assert change.attrs["title"].startswith("4 in the 24 hours before, 8 in the same")
    assert cards["Error share"].first("p", class_="change").matches("p", {"class": "bad"})


def test_without_comparison_no_change_is_told(auditor: Client, some: list[UsageRecord]) -> None:
    root = get(auditor, OVERVIEW, "range=7d&compare=off&tz=UTC")
    assert not root.all("p", class_="change")
    assert "against" not in root.first("div", class_="spoken").text


def test_bars_by_outcome_add_up(auditor: Client, some: list[UsageRecord]) -> None:
    root = get(auditor, OVERVIEW)
    data = reading.chart(root, "requests")
    drawn = {one["name"]: sum(one["values"]) for one in data["series"]}
    outcomes = [row.outcome for row in some]
    assert drawn == {name: outcomes.count(name) for name in drawn}
    assert sum(drawn.values()) == 400
    assert data["incomplete"] == [89]


def test_each_chart_has_its_table(auditor: Client, some: list[UsageRecord]) -> None:
    root = get(auditor, OVERVIEW)
    for name in ("requests", "first-token"):
        data, rows = reading.chart(root, name), reading.chart_table(root, name)
        for number, row in enumerate(reversed(rows)):
            assert row[0].startswith(data["titles"][number])
            assert row[1:] == [one["texts"][number] for one in data["series"]]


def test_top_lists_lead_to_the_pages(auditor: Client, some: list[UsageRecord]) -> None:
    root = get(auditor, OVERVIEW)
    lists = root.all("section", class_="ranking")
    links = [a.attrs["href"] for part in lists for a in part.first("ol").all("a")]
    assert f"{MARIA}?range=90d&tz=Europe/Berlin" in links
    assert f"{ONE_MODEL}?range=90d&tz=Europe/Berlin" in links
    assert "former-intern (deleted)" in lists[0].text


def test_there_is_a_place_for_what_is_live(auditor: Client) -> None:
    assert len(get(auditor, OVERVIEW).all("section", data_live="*")) == 1


# --- keys -----------------------------------------------------------------------------------------


def test_every_key_has_a_line(auditor: Client, some: list[UsageRecord]) -> None:
    rows = {row["Key"].text: row for row in reading.table(get(auditor, KEYS))}
    assert set(rows) == {
        "ci",
        "maria",
        "batch-summaries-of-the-night",
        "former-intern (deleted)",
        f"key-{FORWARDED}",
    }
    mine = [row for row in some if row.key_id == 2]
    assert rows["maria"]["Requests"].text == str(len(mine))
    cost = sum(row.cost_nano_usd or 0 for row in mine)
    assert rows["maria"]["Cost"].text == formatting.money(cost).text
    assert rows["maria"]["Over time"].all("svg")


def test_keys_that_were_not_used_are_shown_as_such(auditor: Client) -> None:
    issue_keys()
    rows = reading.table(get(auditor, KEYS))
    assert [row["Requests"].text for row in rows] == ["0", "0", "0"]
    assert all(row["Last used"].text == "–" for row in rows)


def test_keys_are_filtered_by_a_click(auditor: Client, some: list[UsageRecord]) -> None:
    row = reading.table(get(auditor, KEYS))[0]
    href = row["Kind"].first("a").attrs["href"]
    kind = row["Kind"].text
    narrowed = reading.page(auditor.get(href))
    assert {row["Kind"].text for row in reading.table(narrowed)} == {kind}
    assert narrowed.first("a", class_="chip").text.startswith(f"Kind: {kind}")


def test_the_keys_of_one_owner_are_compared(auditor: Client, some: list[UsageRecord]) -> None:
    """Field 128: compare several keys of one user over time."""
    assert "Owner" not in reading.table(get(auditor, KEYS))[0]
    ApiKey.objects.filter(pk__in=(1, 3)).update(owner="Platform team")
    rows = {row["Key"].text: row for row in reading.table(get(auditor, KEYS))}
    chosen = reading.page(auditor.get(rows["ci"]["Owner"].first("a").attrs["href"]))
    assert {row["Key"].text for row in reading.table(chosen)} == {
        "ci",
        "batch-summaries-of-the-night",
    }
    drawn = {one["name"]: sum(one["values"]) for one in reading.chart(chosen, "tokens")["series"]}
    assert set(drawn) == {"ci", "batch-summaries-of-the-night"}
    mine = [row for row in some if row.key_id == 1]
    assert drawn["ci"] == sum(
        row.input_tokens + row.cache_read_tokens + row.output_tokens for row in mine
    )


def test_one_key(auditor: Client, some: list[UsageRecord]) -> None:
    root = get(auditor, MARIA)
    assert root.first("h1").text == "maria"
    mine = [row for row in some if row.key_id == 2]
    assert reading.big(root)["Requests"] == str(len(mine))
    by_model = {row["Model"].text: row for row in reading.table(root, "models")}
    assert set(by_model) == {row.model for row in mine}
    sessions = {row.session for row in mine if row.session}
    assert len(reading.table(root, "sessions")) == len(sessions)
    wrong = [row for row in mine if row.status >= 400]
    assert [row["Request"].text for row in reading.table(root, "errors")] == [
        row.request_id for row in sorted(wrong, key=lambda row: (row.time, row.pk), reverse=True)
    ]


def test_a_key_without_limits_says_so(auditor: Client, some: list[UsageRecord]) -> None:
    assert "None: this key may use as much as it likes" in get(auditor, MARIA).text


def test_a_deleted_key_has_a_page(auditor: Client, some: list[UsageRecord]) -> None:
    root = get(auditor, INTERN)
    assert root.first("h1").text == "former-intern"
    assert "This key is deleted" in root.text


def test_a_key_that_was_never_used_has_a_page(auditor: Client) -> None:
    issue_keys()
    root = get(auditor, MARIA)
    assert "never used" in root.text and reading.big(root)["Requests"] == "0"


def test_requests_without_a_key_have_a_page(auditor: Client) -> None:
    enter([record(NOW, 1, key_id=0, key="", status=401)])
    root = get(auditor, reverse("dashboard:key", args=["none"]))
    assert root.first("h1").text == "no valid key"


def test_operators_get_the_ways_to_change_things(
    operator: Client, auditor: Client, some: list[UsageRecord]
) -> None:
    change = reverse("admin:bridge_apikey_change", args=[2])
    links = {a.attrs["href"] for a in get(operator, MARIA).all("a")}
    assert change in links
    assert change not in {a.attrs["href"] for a in get(auditor, MARIA).all("a")}
    assert get(operator, TEAM).all("input", name="name")
    assert not get(auditor, TEAM).all("input", name="name")


# --- models ---------------------------------------------------------------------------------------


def test_every_model_that_was_asked_has_a_line(auditor: Client, some: list[UsageRecord]) -> None:
    rows = {row["Model"].text: row for row in reading.table(get(auditor, MODELS))}
    assert set(rows) == {CODER, SMALL, LARGE}
    mine = [row for row in some if row.model == CODER]
    errors = sum(row.status >= 500 for row in mine)
    assert rows[CODER]["Errors"].text == formatting.share(errors / len(mine)).text
    prompts = sum(row.input_tokens + row.cache_read_tokens for row in mine)
    used = prompts / len(mine) / 262_144
    assert rows[CODER]["Context used"].text == formatting.share(used).text
    assert rows[SMALL]["Context used"].text == "–"
    assert rows[SMALL]["An answer costs"].text == "–"


def test_one_model(auditor: Client, some: list[UsageRecord]) -> None:
    root = get(auditor, ONE_MODEL)
    assert root.first("h1").text == CODER
    assert set(reading.big(root)) == {"To the first token", "Speed", "Error share", "Mean prompt"}
    (row,) = reading.table(root, "backends")
    assert row["Backend"].text == "main"
    mine = {row.key for row in some if row.model == CODER}
    told = {row["Key"].text.removesuffix(" (deleted)") for row in reading.table(root, "keys")}
    assert told == mine


def test_a_model_is_shown_with_what_proves_it(auditor: Client, some: list[UsageRecord]) -> None:
    text = get(auditor, ONE_MODEL).text
    assert "262 k tokens its list" in text.replace(formatting.THIN, " ")
    assert "no found by the probe" in text
    assert "1 of 3 checks work" in text
    assert "get_weather in Lisbon" in text


def test_a_model_that_was_not_probed_says_how(auditor: Client, some: list[UsageRecord]) -> None:
    root = get(auditor, reverse("dashboard:model", args=[LARGE]))
    assert f"manage.py probe spare {LARGE}" in [code.text for code in root.all("code")]


def test_a_model_with_slashes_in_its_name_has_a_page(auditor: Client) -> None:
    name = "vendor/model:free/v1.5"
    enter([record(NOW, 1, model=name)])
    root = get(auditor, MODELS)
    href = reading.table(root)[0]["Model"].first("a").attrs["href"]
    assert reading.page(auditor.get(href)).first("h1").text == name
