"""Every page shows and takes times by its visitor's clock, and names the zone."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bridge.models import ApiKey, Change
from bridge.models.changes import recorded
from bridge.spans import exactly, visitor_zone
from tests.bridge.admin_pages import CHANGES, form, of, page, said, text
from tests.bridge.people import a_team, browser

pytestmark = pytest.mark.django_db

BERLIN, KOLKATA = "Europe/Berlin", "Asia/Kolkata"
NEXT = timezone.now().year + 1
WINTER, SUMMER = f"{NEXT}-01-15", f"{NEXT}-07-15"


def visitor(zone: str) -> Client:
    client = browser("operator", name=f"visitor {zone}")
    client.cookies["zone"] = zone.replace("/", "%2F")
    return client


def a_key() -> ApiKey:
    row, _ = ApiKey.issue("k7", {})
    return row


def value_of(tag: str) -> str:
    found = re.search(r'value="([^"]*)"', tag)
    return found[1] if found else ""


def expiring(client: Client, row: ApiKey, day: str, time: str) -> Any:
    """The page after that date and time were typed into the form of a key."""
    address = page(row)
    typed = {"expires_at_0": day, "expires_at_1": time}
    return client.post(address, form(client, address) | typed)


@pytest.mark.parametrize(
    ("zone", "day", "hour"),
    [
        (BERLIN, WINTER, 17),
        (BERLIN, SUMMER, 16),
        (KOLKATA, SUMMER, 12.5),
        ("Mars/Olympus", SUMMER, 18),
        ("", SUMMER, 18),
    ],
)
def test_time_is_taken_and_shown_again_by_the_clock_of_the_visitor(
    zone: str, day: str, hour: float
) -> None:
    row, client = a_key(), visitor(zone)
    assert expiring(client, row, day, "18:00:00").status_code == 302
    row.refresh_from_db()
    wanted = datetime.fromisoformat(f"{day}T{int(hour):02}:{int(hour % 1 * 60):02}:00+00:00")
    assert row.expires_at == wanted
    shown = client.get(page(row))
    inputs = re.findall(r'<input[^>]*name="expires_at_[01]"[^>]*>', text(shown))
    assert [value_of(each) for each in inputs] == [day, "18:00:00"]
    named = zone if zone in (BERLIN, KOLKATA) else "UTC"
    assert f"In {named}." in text(shown)
    assert f"Times are those of {named}." in text(shown)
    assert f'data-zone="{named}"' in text(shown)


@pytest.mark.parametrize("zone", [BERLIN, KOLKATA])
def test_reports_and_history_show_what_was_typed(zone: str) -> None:
    row, client = a_key(), visitor(zone)
    expiring(client, row, SUMMER, "18:00:00")
    report = text(client.get(reverse("dashboard:key", args=[row.pk])))
    assert f"Jul {NEXT}, 18:00:00" in report
    change = Change.objects.first()
    assert change is not None
    assert f"{SUMMER} 18:00 {zone}" in text(client.get(of("change", "change", change.pk)))
    assert f'title="{exact(change.at, zone)}"' in text(client.get(CHANGES))


def exact(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"


@pytest.mark.parametrize(("day", "time"), [("2027-03-28", "02:30:00"), ("2027-10-31", "02:30:00")])
def test_time_that_the_clock_skips_or_shows_twice_is_refused_with_the_zone(
    day: str, time: str
) -> None:
    answer = expiring(visitor(BERLIN), a_key(), day, time)
    assert answer.status_code == 200
    assert f"interpreted in time zone {BERLIN}" in text(answer)
    assert "data-zone" not in text(answer), "a form that was sent is not loaded again"


def test_days_of_the_history_begin_at_the_visitors_midnight() -> None:
    with recorded("ann"):
        a_team("blue", budget_day=Decimal(1))
    Change.objects.update(at=datetime(2026, 7, 14, 19, 0, tzinfo=UTC))  # 0:30 in Kolkata
    for zone, day in ((KOLKATA, "2026-07-15"), (BERLIN, "2026-07-14")):
        listed = visitor(zone).get(CHANGES, {"day": day})
        assert [change.label for change in listed.context["cl"].result_list] == ["blue"]
        assert f"Day, {zone}" in text(listed)


def test_key_that_ended_is_named_by_the_same_clock() -> None:
    row, client = a_key(), visitor(KOLKATA)
    pasted = row.mint()
    row.save()
    row.rotate(timedelta(0))
    found = client.post(reverse("admin:bridge_apikey_find"), {"key": pasted}, follow=True)
    assert any(KOLKATA in message for message in said(found))


def test_zone_of_one_visitor_is_not_that_of_the_next() -> None:
    visitor(KOLKATA).get("/admin/")
    assert timezone.get_current_timezone_name() == "UTC"
    assert exactly(datetime(2026, 7, 14, 19, 0, tzinfo=UTC)) == "2026-07-14 19:00 UTC"


@pytest.mark.parametrize(
    ("asked", "cookie", "zone"),
    [
        ("", "Europe%2FBerlin", BERLIN),
        (KOLKATA, BERLIN, KOLKATA),
        ("nowhere", BERLIN, BERLIN),
        ("../../etc/passwd", "a\0b", "UTC"),
    ],
)
def test_zone_of_the_address_goes_before_that_of_the_browser(
    asked: str, cookie: str, zone: str
) -> None:
    assert str(visitor_zone(asked, cookie)) == zone
