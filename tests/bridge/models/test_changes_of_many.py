"""The history of the configuration: many rows at once, what follows, and what leaves none. Ours."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.backends import discovery, model_list
from bridge.configuration.environment import apply
from bridge.models import (
    AliasTarget,
    Backend,
    BreakerState,
    Change,
    DiscoveredModel,
    LearnedFact,
    ModelAlias,
    ToolNameMap,
)
from tests.bridge.history import MAIN, entries, fast, forget, only, target
from tests.bridge.rows import URL, a_row, an_alias

pytestmark = pytest.mark.django_db


# --- many rows at once -------------------------------------------------------------------------


def test_update_of_many_is_told_of_each(row: Backend) -> None:
    a_row("other")
    forget()
    Backend.objects.update(enabled=False)
    assert {(c.label, str(c.after)) for c in Change.objects.all()} == {
        (name, str({"name": name, "url": URL, "enabled": False})) for name in ("main", "other")
    }


def test_update_tells_of_rows_that_no_longer_fit_its_filter(row: Backend) -> None:
    Backend.objects.filter(enabled=True).update(enabled=False)
    assert only().differences() == [("enabled", None, False)]


def test_delete_of_many_is_told_of_each(row: Backend) -> None:
    a_row("other")
    forget()
    Backend.objects.all().delete()
    assert {(c.label, c.verb) for c in Change.objects.all()} == {
        ("main", "deleted"),
        ("other", "deleted"),
    }


def test_rows_written_in_bulk_are_told_of_each(row: Backend) -> None:
    made = [ToolNameMap(backend_name=name, client_name="X") for name in "ab"]
    ToolNameMap.objects.bulk_create(made)
    made[0].client_name = "Y"
    ToolNameMap.objects.bulk_update(made, ["client_name"])
    assert [(c.label, c.verb) for c in Change.objects.order_by("pk")] == [
        ("* a", "added"),
        ("* b", "added"),
        ("* a", "changed"),
    ]


def test_targets_written_in_bulk_change_their_alias(row: Backend) -> None:
    made = an_alias("fast")
    forget()
    AliasTarget.objects.bulk_create(
        AliasTarget(alias=made, backend=row, model=name) for name in "mn"
    )
    assert only().after == fast(target("m"), target("n"))


# --- what follows from a change ----------------------------------------------------------------


def test_deleted_backend_shows_in_its_aliases(row: Backend) -> None:
    """Its targets go with it, which its operator should see and can take back."""
    other = a_row("other")
    an_alias("fast", (row, "m"), (other, "n"))
    an_alias("far", (other, "n"))
    forget()
    row.delete()
    assert entries() == [
        ("backends", "main", MAIN, None),
        ("aliases", "fast", fast(target("m"), target("n", "other")), fast(target("n", "other"))),
    ]


def test_deleted_backend_shows_in_what_was_said_of_its_models(row: Backend) -> None:
    """What discovery found comes back by itself; what an operator said does not."""
    row.models.create(name="plain", context=4096)
    row.models.create(name="known", context_override=1024)
    forget()
    Backend.objects.all().delete()
    said = {"backend": "main", "model": "known", "context": 1024}
    assert entries() == [
        ("backends", "main", MAIN, None),
        ("models", "main known", said, None),
    ]


def test_renamed_backend_shows_wherever_it_is_named(row: Backend) -> None:
    an_alias("fast", (row, "m"))
    row.models.create(name="known", tools_override=False)
    forget()
    row.name = "gpu-1"
    row.save()
    assert [(c.kind, c.verb) for c in Change.objects.order_by("pk")] == [
        ("backends", "changed"),
        ("aliases", "changed"),
        ("models", "changed"),
    ]


def test_deleted_alias_is_one_entry(row: Backend) -> None:
    an_alias("fast", (row, "m"), (row, "n"))
    forget()
    ModelAlias.objects.all().delete()
    assert entries() == [("aliases", "fast", fast(target("m"), target("n")), None)]


# --- who writes without leaving a trace --------------------------------------------------------


def test_discovery_leaves_none(row: Backend) -> None:
    """What a list tells is no decision of anybody: a history of it would bury the others."""
    many = [{"id": f"m{i}", "max_model_len": 4096} for i in range(20)]
    assert discovery._write(row.pk, model_list.read_list({"data": many}))
    assert discovery._write(row.pk, model_list.read_list({"data": many[:3]}))
    LearnedFact.objects.create(backend=row, model="m1", what="refuses", value="strict")
    assert DiscoveredModel.objects.filter(listed=True).count() == 3
    assert entries() == []


def test_discovery_leaves_none_where_an_operator_said_something(row: Backend) -> None:
    row.models.create(name="m0", context_override=1024)
    forget()
    discovery._write(row.pk, model_list.read_list({"data": [{"id": "m0", "max_model_len": 4096}]}))
    assert DiscoveredModel.objects.get().context == 4096
    assert entries() == []


def test_breaker_leaves_none(row: Backend) -> None:
    BreakerState.objects.create(backend=row, failures=3)
    assert entries() == []


def test_environment_tells_what_it_changed_and_nothing_else(settings: Any) -> None:
    """environment_rows.py: written at every start; a restart is no change."""
    settings.BACKEND_URL, settings.MODEL_MAP = URL, {"fast": "m"}
    settings.BACKEND_DIALECT, settings.BACKEND_TIMEOUT_SECS = "auto", 600.0
    settings.CHUTES_API_KEY, settings.TOOL_NAME_MAP = "", {"shell": "Bash"}
    for _ in range(2):
        apply()
    assert {(c.kind, c.label, c.actor) for c in Change.objects.all()} == {
        ("backends", "main", "environment"),
        ("aliases", "fast", "environment"),
        ("tool_names", "* shell", "environment"),
    }
    assert Change.objects.count() == 3
    forget()
    settings.MODEL_MAP = {"fast": "n"}
    apply()
    assert entries() == [("aliases", "fast", fast(target("m")), fast(target("n")))]
