"""One act is one entry of the history and one undo; filters by day, person and kind.

The issue: undo of one deleted backend took four entries and eight clicks.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bridge.models import ApiKey, Backend, Change, ModelAlias, Price
from bridge.models.changes import happened, recorded
from tests.bridge.admin_pages import CHANGES, START, of, page, revert, said, text
from tests.bridge.history import forget
from tests.bridge.people import browser
from tests.bridge.rows import a_row, an_alias

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return browser("operator")


def count(client: Client, query: str = "") -> int:
    return int(client.get(CHANGES + query).context["cl"].result_count)


def a_deleted_backend(client: Client) -> Change:
    """The entry of a deletion that took two aliases and a price along."""
    main = a_row()
    an_alias("fast", (main, "m"))
    an_alias("big", (main, "m"))
    Price.objects.create(model="m", backend=main, input_per_mtok="1", output_per_mtok="2")
    forget()
    client.post(page(main, "delete"), {"post": "yes"})
    return Change.objects.get(leads=True)


def test_deleted_backend_is_one_entry_and_one_undo(client: Client) -> None:
    lead = a_deleted_backend(client)
    assert count(client) == 1 and Change.objects.count() == 4
    assert "main and 3 more" in text(client.get(CHANGES))
    shown = text(client.get(of("change", "change", lead.pk)))
    assert "Revert all 4 changes" in shown and "fast" in shown and "big" in shown
    answer = revert(client, lead, whole=True)
    assert said(answer) == ["4 changes of one step are taken back."]
    assert Backend.objects.get().name == "main" and Price.objects.exists()
    assert all(alias.targets.exists() for alias in ModelAlias.objects.all())
    assert count(client) == 2, "the undo is one entry, too"


def test_message_of_a_deletion_offers_its_undo(client: Client) -> None:
    main = a_row()
    an_alias("fast", (main, "m"))
    forget()
    answer = client.post(page(main, "delete"), {"post": "yes"}, follow=True)
    lead = Change.objects.get(leads=True)
    address = reverse("admin:bridge_change_revert", args=[lead.pk]) + "?whole=1"
    assert f'href="{address}"' in text(answer)


def test_bulk_action_is_one_entry(client: Client) -> None:
    rows = [ApiKey.issue(f"key {number}")[0] for number in range(3)]
    forget()
    ticked = {"action": "disable", "_selected_action": [row.pk for row in rows]}
    answer = client.post(of("apikey", "changelist"), ticked, follow=True)
    assert count(client) == 1 and "3 changes in one step." in said(answer)
    revert(client, Change.objects.get(leads=True), whole=True)
    assert ApiKey.objects.filter(enabled=True).count() == 0, "no undo makes a key good"


def test_act_is_taken_back_once_and_says_by_whom(client: Client) -> None:
    lead = a_deleted_backend(client)
    revert(client, lead, whole=True)
    before = Change.objects.count()
    again = client.get(reverse("admin:bridge_change_revert", args=[lead.pk]), {"whole": "1"})
    assert again.status_code == 409 and "taken back already, by operator" in text(again)
    posted = client.post(again.request["PATH_INFO"], {"whole": "1", "latest": "1"})
    assert posted.status_code == 409 and Change.objects.count() == before
    assert "taken back already" in text(client.get(of("change", "change", lead.pk)))


def test_undo_that_was_taken_back_leaves_the_act_open_again(client: Client) -> None:
    row = a_row()
    forget()
    row.weight = 7
    row.save()
    (change,) = Change.objects.all()
    revert(client, change)
    revert(client, Change.objects.all()[0])
    assert change.taken_back() is None
    revert(client, change)
    row.refresh_from_db()
    assert row.weight == 1


def test_rest_of_an_act_is_taken_back_after_a_part_of_it(client: Client) -> None:
    lead = a_deleted_backend(client)
    revert(client, lead)
    answer = revert(client, lead, whole=True)
    assert said(answer) == ["3 changes of one step are taken back."]
    assert Price.objects.exists()


# --- filters --------------------------------------------------------------------------------------


def set_at(label: str, at: datetime) -> None:
    Change.objects.filter(label=label).update(at=at)


def test_days(client: Client) -> None:
    noon = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)
    for number, back in enumerate((0, 1, 3, 20, 60)):
        a_row(f"b{number}")
        set_at(f"b{number}", noon - timedelta(days=back))
    found = {
        "today": 1,
        "yesterday": 1,
        "since-yesterday": 2,
        "7-days": 3,
        "30-days": 4,
        f"{noon - timedelta(days=60):%Y-%m-%d}": 1,
        "": 5,
    }
    for day, number in found.items():
        assert count(client, f"?day={day}") == number, day


@pytest.mark.parametrize("day", ["31.12.2026", "2026-13-01", "9999-12-31", "0001-01-01", "\0", "x"])
def test_day_that_is_none_is_named(client: Client, day: str) -> None:
    a_row()
    answer = client.get(CHANGES, {"day": day})
    assert answer.status_code == 200 and answer.context["cl"].result_count == 0
    if not day.endswith(("12-31", "01-01")):
        assert said(answer)[0].startswith("day: expected a date")


def test_person_is_who_did_it_or_whom_it_is_about(client: Client) -> None:
    with recorded("ann"):
        a_row("one")
    with recorded("bob"):
        a_row("two")
    happened("sign_ins", 1, "ann", "locked for sign-ins", actor="sign-in")
    assert count(client, "?person=ann") == 2
    assert count(client, "?person=bob") == 1
    assert count(client, "?person=nobody") == 0


def test_kind_and_words_find_acts_by_any_of_their_entries(client: Client) -> None:
    a_deleted_backend(client)
    for query in ("?kind=aliases", "?kind=prices", "?kind=backends", "?q=fast"):
        assert count(client, query) == 1, query
    assert count(client, "?kind=teams") == 0


def test_sign_ins_can_be_left_out(client: Client) -> None:
    a_row()
    happened("sign_ins", 1, "ann", "signed in", actor="ann")
    assert (count(client), count(client, "?sign_ins=no")) == (2, 1)


def test_start_page_leads_to_what_changed_since_yesterday(client: Client) -> None:
    a_deleted_backend(client)
    happened("sign_ins", 1, "ann", "signed in", actor="ann")
    answer = client.get(START)
    assert [change.label for change in answer.context["recent_changes"]] == ["main"]
    assert f'href="{CHANGES}?day=since-yesterday"' in text(answer)
