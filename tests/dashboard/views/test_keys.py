"""One key: its name, its limits, its budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from bridge.models import ApiKey, KeyLabel, KeyUse
from dashboard.queries import keys
from tests.dashboard import reading
from tests.dashboard.making import FORWARDED, NOW, enter, issue_keys, record

pytestmark = pytest.mark.django_db

TEAM = reverse("dashboard:key", args=[f"f-{FORWARDED}"])
NAMING = reverse("dashboard:key_name", args=[f"f-{FORWARDED}"])
ALL = reverse("dashboard:keys")


@pytest.fixture
def team() -> None:
    enter([record(NOW, 1, key_id=0, fingerprint=FORWARDED, key=f"key-{FORWARDED}")])


def says(client: Client, name: str) -> str:
    """What the page answers when an operator gives that name."""
    answer = client.post(f"{NAMING}?range=7d&tz=UTC", {"name": name}, follow=True)
    assert answer.redirect_chain == [(f"{TEAM}?range=7d&tz=UTC", 302)]
    root = reading.page(answer)
    return root.first("p", class_="message").text


def test_operators_name_forwarded_keys(operator: Client, team: None) -> None:
    assert "is called the team’s key from now on" in says(operator, "  the  team’s key ")
    assert KeyLabel.objects.get().name == "the team’s key"
    assert reading.page(operator.get(TEAM)).first("h1").text == "the team’s key"
    (row,) = reading.table(reading.page(operator.get(ALL)))
    assert row["Key"].text == "the team’s key"


def test_another_name_takes_the_place_and_none_takes_it_away(operator: Client, team: None) -> None:
    says(operator, "first")
    says(operator, "second")
    assert KeyLabel.objects.get().name == "second"
    assert says(operator, "") == "The name is gone."
    assert not KeyLabel.objects.exists()
    assert reading.page(operator.get(TEAM)).first("h1").text == f"key-{FORWARDED}"


def test_two_keys_do_not_get_one_name(operator: Client, team: None) -> None:
    issue_keys()
    assert says(operator, "maria") == "name: another key is called maria"
    KeyLabel.objects.create(fingerprint="ffff", name="other")
    assert says(operator, "other") == "name: another key is called other"
    assert not KeyLabel.objects.filter(fingerprint=FORWARDED).exists()


@pytest.mark.parametrize(
    ("name", "fault"),
    [("x" * 101, "at most 100 characters"), ("a\u202eb", "characters that can be seen")],
)
def test_a_bad_name_is_refused(operator: Client, team: None, name: str, fault: str) -> None:
    assert says(operator, name).startswith("name: expected") and fault in says(operator, name)
    assert not KeyLabel.objects.exists()


@pytest.mark.parametrize("slug", ["1", "none", "f-ffff"])
def test_only_forwarded_keys_that_were_seen_are_named(
    operator: Client, team: None, slug: str
) -> None:
    answer = operator.post(reverse("dashboard:key_name", args=[slug]), {"name": "x"})
    assert answer.status_code == 404
    assert not KeyLabel.objects.exists()


# --- limits and budgets ---------------------------------------------------------------------------


def limited(period: str, budget: str = "2.00") -> keys.KnownKeys:
    issue_keys()
    row = ApiKey.objects.get(pk=1)
    row.budget_usd, row.period = Decimal(budget), period
    return keys.KnownKeys({1: row})


def spend(at: datetime, dollars: float, number: int) -> None:
    enter([record(at, number, cost_nano_usd=round(dollars * 10**9))])


@pytest.mark.parametrize(("period", "spent"), [("day", 0.75), ("month", 1.25)])
def test_a_budget_counts_the_running_day_or_month_of_utc(period: str, spent: float) -> None:
    """Field 132: daily spend shown against a total limit; field 135: other counters than those
    that refuse."""
    midnight = NOW.replace(hour=0, minute=0, second=0)
    spend(midnight - timedelta(seconds=1), 0.50, 1)
    spend(midnight, 0.25, 2)
    spend(NOW, 0.50, 3)
    spend(datetime(2025, 2, 28, 23, 59, tzinfo=UTC), 9, 4)
    meter = keys.budgets(limited(period), NOW)[1]
    assert (meter.used, meter.most) == (round(spent * 10**9), 2 * 10**9)
    assert meter.words == f"${spent:.2f} of $2.00 this {period} (UTC)"


def test_keys_without_a_budget_take_no_query(django_assert_num_queries: object) -> None:
    issue_keys()
    known = keys.KnownKeys.read()
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert keys.budgets(known, NOW) == {}
    assert keys.limits(known, 1, NOW) == []
    assert keys.limits(known, 99, NOW) == ()


def test_a_budget_of_nothing_is_full() -> None:
    assert keys.budgets(limited("day", "0"), NOW)[1].part == 1


def test_the_limits_of_a_key_are_on_its_page(auditor: Client) -> None:
    issue_keys()
    ApiKey.objects.filter(pk=1).update(
        rpm=60, tpm=200_000, concurrent=4, budget_usd=Decimal(5), allowed="claude-*\nhaiku"
    )
    spend(NOW, 4.5, 1)
    root = reading.page(auditor.get(reverse("dashboard:key", args=["1"])))
    (section,) = root.all("section", aria_label="Limits")
    told = {dt.text: dd.text for dt, dd in zip(section.all("dt"), section.all("dd"), strict=True)}
    assert told["requests a minute"] == "60" and told["requests at once"] == "4"
    assert told["tokens a minute"] == "200\u202f000"
    assert told["budget for a month"].endswith("$4.50 of $5.00 this month (UTC), $0.50 left")
    assert told["models"] == "claude-*, haiku"
    assert section.first("progress").attrs["value"] == "90"


def test_a_budget_that_is_nearly_spent_is_told_in_the_list_and_the_overview(
    auditor: Client,
) -> None:
    issue_keys()
    ApiKey.objects.filter(pk=1).update(budget_usd=Decimal(5))
    ApiKey.objects.filter(pk=2).update(budget_usd=Decimal(500))
    spend(NOW, 5.5, 1)
    rows = {row["Key"].text: row for row in reading.table(reading.page(auditor.get(ALL)))}
    assert rows["ci"]["Budget"].first("span", class_="limit").matches("span", {"class": "bad"})
    assert rows["maria"]["Budget"].text.endswith("0\u202f%")
    assert rows["batch-summaries-of-the-night"]["Budget"].text == "–"
    concerns = reading.page(auditor.get(reverse("dashboard:overview"))).first(
        "section", id="attention"
    )
    assert "Key ci has spent 110 % of its budget: $5.50 of $5.00 this month (UTC)" in concerns.text
    assert "maria" not in concerns.text


def test_last_use_of_an_issued_key_is_exact(auditor: Client) -> None:
    """Ours: whether a leaked key is still in use is asked by the minute."""
    issue_keys()
    late = NOW.replace(minute=19, second=41)
    enter([record(late, 1, key_id=2, key="maria")])
    KeyUse.objects.create(key_id=2, last_four="abcd", last_at=late)
    enter([record(late, 2, key_id=0, fingerprint=FORWARDED, key=f"key-{FORWARDED}")])
    url = reverse("dashboard:keys")
    rows = auditor.get(f"{url}?range=24h&tz=UTC&format=json").json()
    used = {row["key"]: row["last_used"] for row in rows}
    assert used["maria"] == late.isoformat(timespec="milliseconds")
    hour = late.replace(minute=0, second=0)
    assert used[f"key-{FORWARDED}"] == hour.isoformat(timespec="milliseconds")
    assert used["ci"] is None


@pytest.mark.parametrize("budget", [Decimal(5), None])
def test_use_that_a_budget_does_not_count_is_named_with_its_price_and_requests(
    operator: Client, budget: Decimal | None
) -> None:
    row, _ = ApiKey.issue("k7", {"budget_usd": budget})
    enter([record(NOW, 1, key_id=row.pk, key="k7", model="org/new", cost_nano_usd=None)])
    enter([record(NOW, 2, key_id=row.pk, key="k7", model="org/old")])
    shown = reading.page(operator.get(reverse("dashboard:key", args=[str(row.pk)])))
    notes = [note for note in shown.all("p", class_="problem") if "budget" in note.text]
    assert bool(notes) == (budget is not None)
    for note in notes:
        assert "does not count 1 request for org/new: no price was known." in note.text
        form, requests = (link.attrs["href"] for link in note.all("a"))
        assert form == f"{reverse('admin:bridge_price_add')}?model=org%2Fnew"
        assert f"key_id={row.pk}" in requests and "trait=unpriced" in requests


def test_readers_get_no_form_of_a_price(auditor: Client) -> None:
    row, _ = ApiKey.issue("k7", {"budget_usd": Decimal(5)})
    enter([record(NOW, 1, key_id=row.pk, key="k7", model="org/new", cost_nano_usd=None)])
    shown = reading.page(auditor.get(reverse("dashboard:key", args=[str(row.pk)])))
    (note,) = (note for note in shown.all("p", class_="problem") if "budget" in note.text)
    (requests,) = note.all("a")
    assert requests.text == "Its requests without a price"
