"""Rows that make no sense: the last good value serves on, neighbours too, and it is said once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured

from bridge.configuration.row_faults import UNREADABLE_KEY, Fault
from bridge.configuration.snapshot import (
    NO_TARGET,
    NOT_CONFIGURED,
    Snapshot,
    build,
)
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.keys.encryption import PREFIX
from bridge.models import (
    ApiKey,
    Backend,
    ConfigVersion,
    DiscoveredModel,
    ModelAlias,
    Price,
    ToolNameMap,
)
from bridge.routing import resolve
from bridge.routing.types import Alias, BackendConfig
from bridge.runtime.gateway import Gateway
from tests.bridge.making import SECRET
from tests.bridge.roads import send
from tests.bridge.rows import URL, a_row, an_alias, spoil
from tests.fakes.backend import ALPHA, FakeBackend

pytestmark = [
    pytest.mark.usefixtures("nothing_in_the_environment"),
    pytest.mark.django_db(transaction=True),
]

HIDDEN = "cpk_never_to_be_seen"

BACKENDS: list[tuple[dict[str, Any], str]] = [
    ({"url": "ftp://h.example/v1"}, "url: Expected an http:// or https:// address."),
    (
        {"url": f"https://user:{HIDDEN}@h.example/v1"},
        "url: Expected an address without credentials, query or fragment.",
    ),
    ({"url": ""}, "url: This field cannot be blank."),
    ({"family": "claude"}, "family: Value 'claude' is not a valid choice."),
    ({"auth_header": "x y"}, "auth_header: Not a header name."),
    (
        {"timeout_seconds": 0},
        "timeout_seconds: Ensure this value is greater than or equal to 1.",
    ),
    ({"breaker_mode": "ajar"}, "breaker_mode: Value 'ajar' is not a valid choice."),
    ({"credential": f"{PREFIX}{HIDDEN}"}, UNREADABLE_KEY),
    ({"credential": HIDDEN}, UNREADABLE_KEY),
    ({"credential": f"two {HIDDEN}"}, "credential: A key is printable ASCII without spaces."),
    (
        {"url": "", "family": ""},
        "url: This field cannot be blank.; family: This field cannot be blank.",
    ),
]
ALIASES: list[tuple[dict[str, Any], str]] = [
    ({"temperature": 7.0}, "temperature: Ensure this value is less than or equal to 2."),
    ({"temperature": -1.0}, "temperature: Ensure this value is greater than or equal to 0."),
    ({"thinking": "hard"}, "thinking: Value 'hard' is not a valid choice."),
    ({"max_tokens": 0}, "max_tokens: Ensure this value is greater than or equal to 1."),
    ({"pattern": ""}, "pattern: This field cannot be blank."),
]


@pytest.fixture
def good() -> Snapshot:
    """Two backends with a model each, an alias to each, all well."""
    for name in ("main", "other"):
        row = a_row(name, credential=HIDDEN, position=len(name))
        DiscoveredModel.objects.create(backend=row, name=f"{name}/m", context=4096)
        an_alias(f"fast-{name}", (row, f"{name}/m"))
    return build(1)


def by_name(snapshot: Snapshot) -> dict[str, BackendConfig]:
    return {backend.name: backend for backend in snapshot.routes.backends}


def aliases(snapshot: Snapshot) -> dict[str, Alias]:
    return {alias.pattern: alias for alias in snapshot.routes.aliases}


# --- the last good value -----------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "reason"), BACKENDS)
def test_broken_backend_serves_on_as_it_was(
    good: Snapshot, columns: dict[str, Any], reason: str
) -> None:
    row = Backend.objects.get(name="main")
    spoil(row, **columns)
    found = build(2, good)
    assert found.routes == good.routes
    assert found.faults == (Fault("backends", row.pk, "main", reason),)


@pytest.mark.parametrize(("columns", "reason"), BACKENDS)
def test_backend_that_was_never_well_is_known_as_broken(
    good: Snapshot, columns: dict[str, Any], reason: str
) -> None:
    """Its models are known, so that requests for them are told why they fail; the other serves."""
    spoil(Backend.objects.get(name="main"), **columns)
    found = build(2)
    main, other = by_name(found)["main"], by_name(found)["other"]
    assert (main.broken, main.key, list(main.models or ())) == (NOT_CONFIGURED, "", ["main/m"])
    assert other == by_name(good)["other"]
    assert aliases(found) == aliases(good)
    assert [fault.reason for fault in found.faults] == [reason]


def test_broken_backend_whose_list_was_never_read_takes_any_name() -> None:
    """Else the only backend there is would answer that it knows no model."""
    spoil(a_row(), url="ftp://h.example/v1")
    found = build(1)
    route = resolve.resolve(found.routes, "any/name")
    assert [target.backend.broken for target in route.targets] == [NOT_CONFIGURED]


@pytest.mark.parametrize(("columns", "reason"), ALIASES)
def test_broken_alias_serves_on_as_it_was(
    good: Snapshot, columns: dict[str, Any], reason: str
) -> None:
    row = ModelAlias.objects.get(pattern="fast-main")
    spoil(row, **columns)
    found = build(2, good)
    assert found.routes == good.routes
    named = columns.get("pattern", "fast-main")
    assert found.faults == (Fault("aliases", row.pk, named, reason),)


@pytest.mark.parametrize(("columns", "reason"), ALIASES)
def test_alias_that_was_never_well_is_not_there(
    good: Snapshot, columns: dict[str, Any], reason: str
) -> None:
    spoil(ModelAlias.objects.get(pattern="fast-main"), **columns)
    found = build(2)
    assert set(aliases(found)) == {"fast-other"}
    assert [fault.reason for fault in found.faults] == [reason]


def test_alias_without_a_target_is_a_fault(good: Snapshot) -> None:
    """A slip while editing, or its backend was deleted."""
    row = ModelAlias.objects.get(pattern="fast-main")
    row.targets.all().delete()
    fault = Fault("aliases", row.pk, "fast-main", NO_TARGET)
    assert (build(2, good).routes, build(2, good).faults) == (good.routes, (fault,))
    assert set(aliases(build(2))) == {"fast-other"}


def test_last_good_value_goes_with_its_row(good: Snapshot) -> None:
    """Nothing that was deleted or switched off serves on."""
    spoil(Backend.objects.get(name="main"), url="")
    spoil(ModelAlias.objects.get(pattern="fast-main"), temperature=9.0)
    broken = build(2, good)
    Backend.objects.filter(name="main").update(enabled=False)
    ModelAlias.objects.filter(pattern="fast-main").delete()
    found = build(3, broken)
    assert (set(by_name(found)), set(aliases(found))) == ({"other"}, {"fast-other"})
    assert found.faults == ()


def test_last_good_value_is_kept_over_many_versions(good: Snapshot) -> None:
    row = Backend.objects.get(name="main")
    spoil(row, url="")
    known = good
    for version in range(2, 6):
        known = build(version, known)
    assert known.routes == good.routes
    spoil(row, url="https://llm.example.com/v2")
    assert by_name(build(6, known))["main"].url == "https://llm.example.com/v2"


def test_key_that_cannot_be_read_any_more(good: Snapshot, settings: Any) -> None:
    """SECRET_KEY is another one after a restart; one that is named as a fallback reads on."""
    former = settings.SECRET_KEY
    settings.SECRET_KEY = "another"
    found = build(2)
    assert [b.broken for b in found.routes.backends] == [NOT_CONFIGURED] * 2
    assert {fault.reason for fault in found.faults} == {UNREADABLE_KEY}
    assert found.operator_key_in_use is False
    settings.SECRET_KEY_FALLBACKS = [former]
    assert (build(3).routes, build(3).faults) == (good.routes, ())


def test_variable_that_cannot_be_read(good: Snapshot, settings: Any) -> None:
    """A file that NAME_FILE names may be gone; that is this backend's trouble alone."""

    def unreadable(name: str) -> str:
        raise ImproperlyConfigured(f"{name}_FILE: expected a readable file")

    settings.BACKEND_SECRET = unreadable
    row = Backend.objects.get(name="main")
    spoil(row, credential="env:KEY")
    found = build(2, good)
    assert found.routes == good.routes
    reason = "KEY_FILE: expected a readable file"
    assert found.faults == (Fault("backends", row.pk, "main", reason),)


# --- the others --------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [{"probed": []}, {"entry": []}, {"prices": 5}])
def test_broken_model_is_left_out_and_its_neighbours_serve(
    good: Snapshot, columns: dict[str, Any]
) -> None:
    row = Backend.objects.get(name="main")
    bad = row.models.create(name="bad")
    spoil(bad, **columns)
    found = build(2, good)
    assert found.routes == good.routes
    (fault,) = found.faults
    assert (fault.kind, fault.id, fault.name) == ("models", bad.pk, "bad")


OTHERS: dict[str, Callable[[], Any]] = {
    "tool_names": lambda: ToolNameMap.objects.create(backend_name="a", client_name=""),
    "keys": lambda: ApiKey.objects.create(name="", digest="d" * 64, last_four="1234"),
    "prices": lambda: Price.objects.create(model="m", input_per_mtok=-1, output_per_mtok=1),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_broken_row_of_another_kind_is_left_out(good: Snapshot, kind: str) -> None:
    """No one else's key, tool or price is touched by it."""
    ApiKey.issue("team")
    before = build(2, good)
    broken = OTHERS[kind]()
    found = build(3, before)
    assert [(fault.kind, fault.id) for fault in found.faults] == [(kind, broken.pk)]
    assert (found.routes, found.keys) == (before.routes, before.keys)


# --- what is said of it ------------------------------------------------------------------------


@sync_to_async
def change(row_of: type[Any], **columns: Any) -> None:
    row_of.objects.filter(name="main").update(**columns)


@sync_to_async
def touch() -> None:
    ConfigVersion.bump()


@pytest.mark.parametrize(("columns", "reason"), BACKENDS)
async def test_fault_is_logged_once_and_without_secrets(
    caplog: pytest.LogCaptureFixture, columns: dict[str, Any], reason: str
) -> None:
    """When it breaks, not at every reload; and again when it breaks again."""
    await sync_to_async(a_row)(credential=HIDDEN)
    store = SnapshotStore()
    await store.load()
    with caplog.at_level(logging.INFO, "bridge.configuration.snapshot_store"):
        for url in ("https://one.example/v1", "https://two.example/v1"):
            await change(Backend, **columns)
            await store.load()
            for _ in range(3):
                await touch()
                await store.load()
            await change(Backend, **{**PLAIN, "url": url})
            await store.load()
            assert store.current.routes.backends[0].url == url
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"backends main is not as it should be: {reason}"] * 2
    assert HIDDEN not in caplog.text


PLAIN = {
    "url": URL,
    "family": "auto",
    "auth_header": "authorization",
    "timeout_seconds": 600,
    "breaker_mode": "automatic",
    "credential": "",
}


# --- what clients see --------------------------------------------------------------------------


@sync_to_async
def configured(backend: FakeBackend) -> Snapshot:
    """A backend that was never well, listed as asked for first, and one that is."""
    broken = a_row("typo", url="ftp://h.example/v1", position=0)
    well = a_row("main", url=f"{backend.base_url}/v1", position=1)
    for row, models in ((broken, ("only/here", ALPHA)), (well, (ALPHA,))):
        for name in models:
            DiscoveredModel.objects.create(backend=row, name=name)
    an_alias("lost", (broken, "any"))
    return build(1)


@pytest.mark.parametrize("name", ["only/here", "lost"])
async def test_request_for_a_broken_backend_is_told_why(
    engine: Gateway, backend: FakeBackend, name: str
) -> None:
    """Neither an open breaker nor an unknown model: the operator has to look."""
    engine.store.current = await configured(backend)
    answer = await send(engine, model=name)
    assert answer.error == (503, "api_error", f"Backend typo {NOT_CONFIGURED}")
    assert backend.calls == []


async def test_others_serve_on(engine: Gateway, backend: FakeBackend) -> None:
    """Also a model that both list."""
    engine.store.current = await configured(backend)
    assert (await send(engine, model=ALPHA)).status == 200
    assert backend.only_call.header("authorization") == f"Bearer {SECRET}"
