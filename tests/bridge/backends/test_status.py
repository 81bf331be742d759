"""One state of a backend, and every page that shows it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bridge.api.models import health as health_endpoint
from bridge.backends.breaker import State
from bridge.backends.breaker_sync import BreakerRows
from bridge.backends.health import Health, identity
from bridge.backends.status import (
    BAD,
    BackendStatus,
    Overall,
    ServingState,
    decide,
    identity_of_row,
    of_backend,
    of_row,
    overall,
)
from bridge.models import Backend, BreakerState, DiscoveredModel
from bridge.runtime.gateway import Gateway
from bridge.translation.errors.api_error import ApiError
from tests.bridge.making import Clock, a_backend
from tests.bridge.rows import URL, a_row

REASON = "Could not reach the backend (connection refused)"


def row_with(fields: dict[str, Any], **state: Any) -> Backend:
    row = a_row(**fields)
    if state:
        ago = state.pop("opened_ago", None)
        opened = timezone.now() - timedelta(seconds=ago) if ago else None
        BreakerState.objects.create(backend=row, opened_at=opened, **state)
    known: Backend = Backend.objects.select_related("breaker").get()
    return known


@pytest.mark.parametrize(
    ("fields", "state", "expected"),
    [
        ({}, {}, ServingState.SERVING),
        ({}, {"failures": 2}, ServingState.FAILING),
        ({}, {"reachable": False}, ServingState.UNREACHABLE),
        ({}, {"reachable": False, "failures": 2}, ServingState.UNREACHABLE),
        ({}, {"failures": 5, "opened_ago": 1, "reachable": False}, ServingState.OPEN),
        ({}, {"failures": 5, "opened_ago": 3600}, ServingState.TRYING_AGAIN),
        ({"breaker_mode": "open"}, {"reachable": False}, ServingState.FORCED_OPEN),
        ({"breaker_mode": "closed"}, {"failures": 9, "opened_ago": 1}, ServingState.FORCED_CLOSED),
        ({"breaker_mode": "closed"}, {"reachable": False}, ServingState.UNREACHABLE),
        ({"credential": "sealed:nonsense"}, {"reachable": False}, ServingState.BROKEN),
        ({"credential": "sealed:nonsense", "breaker_mode": "open"}, {}, ServingState.BROKEN),
        ({"enabled": False, "breaker_mode": "open"}, {"failures": 9}, ServingState.OFF),
    ],
)
@pytest.mark.django_db
def test_the_first_thing_that_is_true_is_the_state(
    fields: Any, state: Any, expected: ServingState
) -> None:
    status = of_row(row_with(fields, **state))
    assert status.state is expected
    well = (ServingState.SERVING, ServingState.OFF)
    assert status.needs_attention is (expected not in well)


@pytest.mark.parametrize("state", ServingState)
def test_every_state_has_its_words(state: ServingState) -> None:
    status = BackendStatus(state, "why", failures=3)
    assert status.word and status.tone
    assert not status.needs_attention or "why" in status.sentence


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ([], Overall.UNHEALTHY),
        ([ServingState.OFF], Overall.UNHEALTHY),
        ([ServingState.SERVING, ServingState.FAILING, ServingState.OFF], Overall.OK),
        ([ServingState.FORCED_CLOSED], Overall.OK),
        ([ServingState.SERVING, ServingState.UNREACHABLE], Overall.DEGRADED),
        ([ServingState.UNREACHABLE], Overall.DEGRADED),
        ([ServingState.TRYING_AGAIN], Overall.DEGRADED),
        ([ServingState.SERVING, ServingState.BROKEN], Overall.DEGRADED),
        ([ServingState.OPEN, ServingState.FORCED_OPEN, ServingState.BROKEN], Overall.UNHEALTHY),
    ],
)
def test_the_whole_follows_from_the_states(states: list[ServingState], whole: Overall) -> None:
    assert overall(states) is whole


@pytest.mark.parametrize("mode", ["automatic", "open", "closed"])
@pytest.mark.parametrize("breaker", State)
@pytest.mark.parametrize("reachable", [None, True, False])
@pytest.mark.parametrize("broken", ["", "is not configured correctly"])
async def test_what_can_serve_is_what_the_process_calls(
    mode: str, breaker: State, reachable: bool | None, broken: str
) -> None:
    """`can_serve` of the pages and of the data plane are one."""
    clock = Clock()
    health = Health(5, 30.0, clock)
    backend = a_backend(breaker=mode, broken=broken)
    condition = health.of(backend)
    condition.reachable = reachable
    if breaker is not State.CLOSED:
        condition.breaker.opened_at = clock.now - (0 if breaker is State.OPEN else 30)
    status = of_backend(health, backend)
    assert status.can_serve is health.can_serve((backend,))
    assert status.state is decide(
        problem=broken, mode=mode, breaker=breaker, reachable=reachable, failures=0
    )


@pytest.mark.django_db
def test_open_breaker_names_when_it_tries_again(settings: Any) -> None:
    settings.BREAKER_SECONDS = 30
    row = row_with({}, failures=5, opened_ago=10, last_error=REASON)
    status = of_row(row)
    assert status.opened_at is not None
    assert status.retry_at == status.opened_at + timedelta(seconds=30)
    assert status.sentence == f"has its breaker open: {REASON}"


@pytest.mark.django_db
def test_half_open_breaker_names_no_moment_that_is_over(settings: Any) -> None:
    """Nobody asked since, so the next request is the one that tries."""
    settings.BREAKER_SECONDS = 30
    status = of_row(row_with({}, failures=5, opened_ago=400, last_error=REASON))
    assert status.state is ServingState.TRYING_AGAIN
    assert (status.retry_at, status.breaker) == (None, "half-open")


@pytest.mark.django_db
def test_what_is_known_of_another_address_says_nothing() -> None:
    """The page shows what the process does."""
    row = row_with({}, failures=5, opened_ago=1, last_error=REASON, identity="x")
    assert of_row(row) == BackendStatus(ServingState.SERVING)
    BreakerState.objects.update(identity=identity_of_row(row))
    known = Backend.objects.select_related("breaker").get()
    assert of_row(known).state is ServingState.OPEN
    known.url = "https://mended.example.com/v1"
    assert of_row(known).state is ServingState.SERVING


@pytest.mark.django_db
def test_identity_of_a_row_is_that_of_the_process() -> None:
    row = a_row(credential="sk-some-key")
    backend = a_backend(URL, id=row.pk, key="sk-some-key")
    assert identity_of_row(row) == identity(backend) != identity(a_backend(URL, id=row.pk))


@pytest.mark.django_db
def test_rests_are_shown_by_model() -> None:
    now = timezone.now()
    until = now.timestamp() + 60
    rests = {"m": until, "own\nf00d": until + 60, "over": now.timestamp() - 1}
    status = of_row(row_with({}, rests=rests), now)
    assert [rest.model for rest in status.rests] == ["m", "own"]
    assert status.rests[0].until == now + timedelta(seconds=60)


# --- the faces ----------------------------------------------------------------------------------


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


@pytest.fixture
def dead(db: None) -> Backend:
    """One backend that serves, and one that nobody can reach."""
    for name in ("well", "dead"):
        DiscoveredModel.objects.create(backend=a_row(name), name="m")
    row = Backend.objects.get(name="dead")
    mark = identity_of_row(row)
    BreakerState.objects.create(backend=row, reachable=False, last_error=REASON, identity=mark)
    return row


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (
            "/dashboard/",
            ["Degraded", "not reachable", f"Backend dead is not reachable: {REASON}"],
        ),
        ("/dashboard/backends/", ["1 of 2 backends needs attention", "Not reachable", REASON]),
        ("/admin/", [f"Backend dead is not reachable: {REASON}", "Degraded"]),
        ("/admin/bridge/backend/", ["Not reachable"]),
    ],
)
def test_dead_backend_is_green_on_no_page(
    operator: Client, dead: Backend, page: str, shown: list[str]
) -> None:
    text = operator.get(page, follow=True).content.decode()
    for words in shown:
        assert words in text


def test_dead_backend_is_told_on_its_own_page(operator: Client, dead: Backend) -> None:
    page = reverse("admin:bridge_backend_change", args=[dead.pk])
    text = operator.get(page).content.decode()
    assert "Not reachable" in text
    assert REASON in text


@pytest.mark.parametrize("page", ["/dashboard/", "/dashboard/backends/", "/admin/bridge/backend/"])
def test_backend_whose_key_cannot_be_read_serves_on_no_page(operator: Client, page: str) -> None:
    row = a_row()
    Backend.objects.filter(pk=row.pk).update(credential="sealed:nonsense")
    text = operator.get(page).content.decode()
    assert "roken" in text
    assert "All backends serve" not in text


async def test_health_names_the_state_and_no_reason(engine: Gateway) -> None:
    """Whoever may read it needs no key, so it shows no error of a backend."""
    main = engine.snapshot.routes.backends[0]
    engine.health.reached(main, False, REASON)
    status, body = health_endpoint(engine)
    assert (status, body["status"]) == (200, "degraded")
    assert body["backends"]["main"]["state"] == "unreachable"
    assert "refused" not in str(body)


@pytest.mark.django_db(transaction=True)
async def test_rows_and_process_come_to_the_same_state(engine: Gateway) -> None:
    """From the failure to the page, over the row that all processes share."""
    row = await Backend.objects.acreate(name="main", url=URL)
    backend = a_backend(URL, id=row.pk)
    engine.store.current = type(engine.store.current)(
        1, type(engine.store.current.routes)((backend,))
    )
    error = ApiError.bad_gateway("Could not reach the backend", cause="connection refused")
    error.unreachable = True
    engine.health.admit(backend).failed(error)
    await BreakerRows(engine.health, engine.store).exchange()
    shared = await Backend.objects.select_related("breaker").aget()
    for status in (of_backend(engine.health, backend), of_row(shared)):
        assert (status.state, status.reason) == (ServingState.UNREACHABLE, REASON)
        assert status.tone == BAD
