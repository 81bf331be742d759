"""Requests without a price get the cost of one that was added later, and so do all their sums."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, transaction

from bridge.configuration.snapshot import current_prices
from bridge.keys.limits import AccountKind, AccountRef
from bridge.ledger import spending, writer
from bridge.ledger.audit import audit
from bridge.ledger.pricing import usd
from bridge.ledger.record import Record
from bridge.ledger.repricing import applying
from bridge.ledger.repricing.applying import Repricer, entry_of
from bridge.ledger.repricing.costs import CostReader, costs_now
from bridge.ledger.repricing.preview import ModelChange, preview, total
from bridge.ledger.repricing.scope import RepricingScope
from bridge.ledger.retention.erasing import erase
from bridge.ledger.writer import enter
from bridge.models import Change, LateHours, Price, UsageHour, UsageRecord, UsageSession
from bridge.models.ledger_marks import COSTS
from tests.bridge.ledger.test_entering import a_record
from tests.bridge.rows import a_row

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
DAY = RepricingScope(datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
COST = 10 * 2_000 + 3 * 6_000 + 4 * 500 + 1 * 2_500
"""Of `unpriced` at `a_price`, in billionths of a dollar."""


def unpriced(number: int = 1, **fields: Any) -> Record:
    given = {"cost_nano_usd": None, "cache_read_tokens": 4, "cache_write_tokens": 1} | fields
    return a_record(number, **given)


def a_price(model: str = "vendor/large", dollars: str = "2", **fields: Any) -> Price:
    given = {"output_per_mtok": "6", "cache_read_per_mtok": "0.5", "cache_write_per_mtok": "2.5"}
    made: Price = Price.objects.create(model=model, input_per_mtok=dollars, **given, **fields)
    return made


def within(**fields: Any) -> RepricingScope:
    return RepricingScope(DAY.since, DAY.until, **fields)


def costs() -> CostReader:
    return costs_now(current_prices())


def reprice(scope: RepricingScope = DAY, entry: Change | None = None) -> Repricer:
    repricer = Repricer(scope, costs(), entry, pause=lambda seconds: None)
    repricer.run()
    return repricer


def all_costs() -> dict[str, int | None]:
    return dict(UsageRecord.objects.values_list("request_id", "cost_nano_usd"))


def test_rows_and_every_sum_get_the_cost_of_a_price_that_came_later() -> None:
    enter([unpriced(1), unpriced(2, person_id=5, team_id=6), a_record(3)])
    assert set(UsageHour.objects.values_list("unpriced", flat=True)) == {1}
    a_price()
    done = reprice().done
    assert (done.requests, done.before, done.after, done.is_whole) == (2, 0, 2 * COST, True)
    assert all_costs() == {"req_1": COST, "req_2": COST, "req_3": 100}
    session = UsageSession.objects.get()
    assert (session.cost_nano_usd, session.unpriced) == (2 * COST + 100, 0)
    assert not UsageHour.objects.filter(unpriced__gt=0).exists()
    assert audit().differences == []
    for kind, number in ((AccountKind.PERSON, 5), (AccountKind.TEAM, 6)):
        ref = AccountRef(kind, number)
        assert spending.used_now([ref], "month", NOON.timestamp())[ref].cost == COST


def test_again_changes_nothing_and_writes_no_entry() -> None:
    enter([unpriced()])
    a_price()
    assert reprice().done.requests == 1
    assert reprice().done.requests == 0
    assert Change.objects.filter(kind=COSTS).count() == 1
    assert audit().differences == []


def test_preview_shows_what_is_then_done_and_changes_nothing() -> None:
    a_row("main")
    enter(
        [unpriced(1), unpriced(2, model="vendor/small"), unpriced(3, model="unknown"), a_record(4)]
    )
    a_price("vendor/*")
    found = preview(DAY, costs())
    assert found == [
        ModelChange("main", "vendor/large", True, 1, 0, COST),
        ModelChange("main", "vendor/small", True, 1, 0, COST),
        ModelChange("main", "unknown", False),
    ]
    assert all_costs()["req_1"] is None
    assert total(found).requests == reprice().done.requests == 2


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ({}, {"req_1", "req_2", "req_3"}),
        ({"model": "vendor/large"}, {"req_1", "req_2"}),
        ({"model": "VENDOR/S*"}, {"req_3"}),
        ({"key": "guest"}, {"req_2"}),
        ({"model": "vendor/small", "key": "guest"}, set()),
    ],
)
def test_scope_is_of_a_model_or_glob_and_of_a_key(chosen: dict[str, str], wanted: set[str]) -> None:
    enter(
        [
            unpriced(1),
            unpriced(2, key="guest", key_id=8),
            unpriced(3, model="vendor/small"),
            unpriced(4, started_at=NOON.timestamp() + 86_400),
        ]
    )
    a_price("*")
    reprice(within(**chosen))
    assert {name for name, cost in all_costs().items() if cost is not None} == wanted
    assert audit().differences == []


def test_known_costs_stay_unless_all_are_asked_for() -> None:
    """Also what its backend reported, where its word goes before prices; and what has no price."""
    a_row("own", prefers_own_cost=True)
    enter(
        [
            a_record(1),
            a_record(2, backend="own", reported_cost_nano_usd=100),
            a_record(3, reported_cost_nano_usd=100),
            a_record(4, model="gone"),
            a_record(5, backend="own", cost_nano_usd=7),
        ]
    )
    a_price()
    assert reprice().done.requests == 0
    plain = 10 * 2_000 + 3 * 6_000
    done = reprice(within(every=True)).done
    assert (done.requests, done.before, done.after) == (3, 207, 3 * plain)
    assert all_costs() == {
        "req_1": plain,
        "req_2": 100,
        "req_3": plain,
        "req_4": 100,
        "req_5": plain,
    }
    assert audit().differences == []


def test_price_of_one_backend_is_not_that_of_another() -> None:
    beta = a_row("beta")
    enter([unpriced(1), unpriced(2, backend="beta")])
    a_price(backend=beta)
    assert reprice().done.requests == 1
    assert all_costs() == {"req_1": None, "req_2": COST}


def test_requests_without_tokens_cost_nothing_and_stay() -> None:
    nothing = dict.fromkeys(
        ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"), 0
    )
    enter([unpriced(1, status=500, **nothing)])
    a_price()
    assert reprice().done.requests == 0


def test_what_retention_took_is_named_and_its_sums_stay() -> None:
    enter([unpriced(1), unpriced(2), unpriced(3, started_at=NOON.timestamp() + 7200)])
    erase(NOON + timedelta(hours=1))
    a_price()
    (found,) = preview(DAY, costs())
    assert (found.requests, found.gone) == (1, 2)
    reprice()
    sums = UsageHour.objects.order_by("hour").values_list("unpriced", "cost_nano_usd")
    assert list(sums) == [(2, 0), (0, COST)]
    (left,) = preview(DAY, costs())
    assert (left.requests, left.gone) == (0, 2)
    assert audit().differences == []


def test_work_goes_on_where_it_ended_as_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "BATCH_ROWS", 2)
    enter([unpriced(number) for number in range(5)])
    a_price()
    first = Repricer(DAY, costs(), pause=lambda seconds: None)
    assert not first.run(most_batches=1).is_whole
    assert first.entry is not None
    assert (first.done.requests, audit().differences) == (2, [])
    same = entry_of(DAY, first.entry.pk)
    second = reprice(entry=same)
    assert (second.done.requests, second.done.after) == (5, 5 * COST)
    entry = Change.objects.get(kind=COSTS)
    assert (entry.label, entry.verb) == ("cost of every model", "recomputed")
    assert entry.after == {
        "from": "2026-11-22T00:00:00+00:00",
        "to": "2026-11-23T00:00:00+00:00",
        "requests": "5",
        "before": "0 USD",
        "after": f"{usd(5 * COST).normalize():f} USD",
    }
    assert entry_of(within(model="x"), entry.pk) is None


def test_batch_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    enter([unpriced()])
    a_price()

    def broken(*given: Any) -> None:
        raise OperationalError("locked")

    monkeypatch.setattr(applying, "note_late", broken)
    with pytest.raises(OperationalError), transaction.atomic():
        reprice()
    assert all_costs() == {"req_1": None}
    assert not Change.objects.filter(kind=COSTS).exists()
    assert audit().differences == []


@pytest.mark.django_db(transaction=True)
def test_batch_is_tried_again_where_another_writer_is_in_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enter([unpriced()])
    a_price()
    real, calls = writer.note_late, list[int]()

    def once(rows: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OperationalError("deadlock detected")
        real(rows)

    monkeypatch.setattr(applying, "note_late", once)
    assert reprice().done.requests == 1
    assert (len(calls), audit().differences) == (2, [])
    assert Change.objects.filter(kind=COSTS).count() == 1


def test_sums_that_others_keep_of_long_past_hours_are_read_again() -> None:
    enter([unpriced()])
    before = LateHours.objects.get().changes
    a_price()
    reprice()
    assert LateHours.objects.get().changes == before + 1


def run(*options: str) -> str:
    out = io.StringIO()
    call_command("recompute_cost", *options, stdout=out)
    return out.getvalue()


def test_command_shows_first_and_does_it_only_without_dry_run() -> None:
    enter([unpriced(1), unpriced(2, model="unknown")])
    a_price()
    shown = run("--since", "2026-11-22", "--until", "2026-11-23", "--dry-run")
    assert "vendor/large  main" in shown
    assert "unknown at main: no price is known." in shown
    assert all_costs()["req_1"] is None
    done = run("--since", "2026-11-22", "--until", "2026-11-23")
    assert f"1 requests recomputed: {usd(0):f} USD before, {usd(COST):f} USD after" in done
    assert all_costs()["req_1"] == COST
    assert "Nothing would change." in run("--since", "2026-11-22")


@pytest.mark.parametrize("options", [("--since", "soon"), ("--since", "7d", "--key", "nobody")])
def test_command_names_the_option_that_it_does_not_understand(options: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=options[-2]):
        run(*options)
