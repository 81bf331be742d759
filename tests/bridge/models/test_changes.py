"""The history of the configuration: who changed what, from what to what. Ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from bridge.models import (
    ApiKey,
    Backend,
    Change,
    ModelAlias,
    Origin,
    Price,
    ToolNameMap,
    change_words,
)
from bridge.models.changes import recorded
from tests.bridge.history import MAIN, entries, fast, forget, only, target
from tests.bridge.rows import URL, a_row, an_alias

pytestmark = pytest.mark.django_db

LONG = "x" * 300


# --- what an entry is --------------------------------------------------------------------------


def test_row_that_is_added_changed_and_deleted_is_told_three_times() -> None:
    """From nothing, from the one to the other, to nothing. Defaults are left out."""
    made = a_row()
    made.timeout_seconds = 7
    made.save()
    known = made.pk
    made.delete()
    later = MAIN | {"timeout_seconds": 7}
    assert entries() == [
        ("backends", "main", None, MAIN),
        ("backends", "main", MAIN, later),
        ("backends", "main", later, None),
    ]
    assert set(Change.objects.values_list("object_id", flat=True)) == {known}
    assert [c.verb for c in Change.objects.order_by("pk")] == ["added", "changed", "deleted"]


def test_entry_names_what_differs(row: Backend) -> None:
    row.position, row.url = 3, "https://other.example.com/v1"
    row.save()
    assert only().differences() == [("url", URL, row.url), ("position", None, 3)]


def test_member_that_got_its_default_again_differs_to_none(row: Backend) -> None:
    Backend.objects.update(position=3)
    forget()
    Backend.objects.update(position=0)
    assert only().differences() == [("position", 3, None)]


SAME: dict[str, Callable[[Backend], Any]] = {
    "save": lambda row: row.save(),
    "update": lambda row: Backend.objects.update(position=0),
    "update_or_create": lambda row: Backend.objects.update_or_create({"url": URL}, name="main"),
    "the same key": lambda row: Backend.objects.get().save(),
    "there and back": lambda row: there_and_back(row),
    "the origin": lambda row: Backend.objects.update(origin=Origin.ENVIRONMENT),
    "nothing to delete": lambda row: Backend.objects.filter(name="other").delete(),
    "gone again": lambda row: come_and_go(),
}


def there_and_back(row: Backend) -> None:
    with recorded("ann"):
        for position in (5, 0):
            row.position = position
            row.save()


def come_and_go() -> None:
    with recorded("ann"):
        a_row("other").delete()


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_changes_nothing_is_not_told(row: Backend, change: Callable[[Backend], Any]) -> None:
    row.credential = "cpk_operators"
    row.save()
    forget()
    change(row)
    assert entries() == []


@pytest.mark.parametrize(
    ("make", "kind", "label"),
    [
        (lambda row: ToolNameMap.objects.create(backend_name="sh"), "tool_names", "* sh"),
        (
            lambda row: Price.objects.create(model="m", input_per_mtok=1, output_per_mtok=2),
            "prices",
            "m",
        ),
        (lambda row: ApiKey.issue("team"), "keys", "team"),
        (lambda row: row.models.create(name="m", vision_override=True), "models", "main m"),
        (lambda row: ModelAlias.objects.create(pattern="fast"), "aliases", "fast"),
    ],
    ids=["tool name", "price", "key", "model", "alias"],
)
def test_every_kind_of_row_has_its_history(
    row: Backend, make: Callable[[Backend], Any], kind: str, label: str
) -> None:
    make(row)
    assert (only().kind, only().label, only().before) == (kind, label, None)


def test_label_fits_its_column(row: Backend) -> None:
    """A name may be as long as its own column, and a label joins two of them."""
    row.models.create(name=LONG, vision_override=True)
    assert only().label == f"main {LONG}"[:300]
    assert only().after == {"backend": "main", "model": LONG, "vision": True}


def test_history_holds_no_key(row: Backend) -> None:
    """design, Secrets: what is stored of a key is sealed, or a digest."""
    row.credential = "cpk_operators"
    row.save()
    _, text = ApiKey.issue("team")
    stored = str(list(Change.objects.values()))
    assert "cpk_operators" not in stored
    assert text not in stored


# --- several writes, one change ----------------------------------------------------------------


def test_one_unit_is_one_entry_for_each_row() -> None:
    """A saved form with its inlines, an imported file: however many writes it took."""
    with recorded("ann"):
        made = a_row()
        for position in (1, 2, 3):
            made.position = position
            made.save()
        an_alias("fast", (made, "m"), (made, "n"))
    assert entries() == [
        ("backends", "main", None, MAIN | {"position": 3}),
        ("aliases", "fast", None, fast(target("m"), target("n"))),
    ]
    assert set(Change.objects.values_list("actor", flat=True)) == {"ann"}


def test_unit_gives_its_entries(row: Backend) -> None:
    with recorded("ann") as made:
        Backend.objects.update(position=1)
    assert made == [only()]


def test_who_made_it_is_told(row: Backend) -> None:
    """Outside of any unit nobody knows."""
    with recorded("ann"):
        Backend.objects.update(position=1)
    Backend.objects.update(position=2)
    assert [c.actor for c in Change.objects.order_by("pk")] == ["ann", "shell"]


def test_alias_and_its_targets_are_one_document(row: Backend) -> None:
    """To its operator an alias is one thing, although its targets are rows."""
    made = an_alias("fast", (row, "m"))
    forget()
    steps = (
        lambda: made.targets.create(backend=row, model="n", weight=3, position=1),
        lambda: made.targets.filter(model="n").update(weight=1),
        lambda: made.targets.filter(model="m").delete(),
        lambda: made.targets.get().delete(),
    )
    for step in steps:
        step()
    spare = target("n", weight=3, position=1)
    lighter = target("n", position=1)
    assert [(before, after) for _, _, before, after in entries()] == [
        (fast(target("m")), fast(target("m"), spare)),
        (fast(target("m"), spare), fast(target("m"), lighter)),
        (fast(target("m"), lighter), fast(lighter)),
        (fast(lighter), fast()),
    ]
    assert {(kind, label) for kind, label, _, _ in entries()} == {("aliases", "fast")}


def test_target_that_goes_to_another_backend_changes_the_alias(row: Backend) -> None:
    made = an_alias("fast", (row, "m"))
    other = a_row("other")
    forget()
    made.targets.update(backend=other)
    assert only().differences() == [("targets", [target("m")], [target("m", "other")])]


# --- what is taken back ------------------------------------------------------------------------


def test_unit_that_fails_leaves_nothing(row: Backend) -> None:
    """All or nothing: the rows and their history."""
    with pytest.raises(ZeroDivisionError), recorded("ann"):
        Backend.objects.update(position=5)
        a_row("other")
        raise ZeroDivisionError
    assert entries() == []
    assert [(b.name, b.position) for b in Backend.objects.all()] == [("main", 0)]


def test_transaction_that_is_rolled_back_leaves_nothing(row: Backend) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        row.delete()
        raise ZeroDivisionError
    assert (entries(), Backend.objects.count()) == ([], 1)


def test_write_that_fails_inside_a_unit_leaves_the_others(row: Backend) -> None:
    """An import may try, and go on."""
    with recorded("ann"):
        with pytest.raises(IntegrityError), transaction.atomic():
            a_row("main")
        a_row("other")
    assert [(c.label, c.verb) for c in Change.objects.all()] == [("other", "added")]


def test_failed_unit_does_not_lend_its_name_to_the_next(row: Backend) -> None:
    with pytest.raises(ZeroDivisionError), recorded("ann"):
        raise ZeroDivisionError
    Backend.objects.update(position=1)
    assert only().actor == "shell"


def test_details_of_an_event_are_read_in_one_order_whatever_the_database_makes_of_it() -> None:
    stored = {"to": "2026-11-02T00:00:00+00:00", "from": "2026-11-01T00:00:00+00:00"}
    counts = {"after": "2 USD", "before": "0 USD", "requests": "3"}
    assert change_words.of_event(stored | counts) == (
        "from 2026-11-01 00:00 UTC, to 2026-11-02 00:00 UTC, requests 3, before 0 USD, after 2 USD"
    )
