"""What the gateway tells about itself. wire A14, F132-136, G21."""

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from bridge.api import models
from bridge.configuration.snapshot import NOT_CONFIGURED, Snapshot
from bridge.routing.served import Access
from bridge.routing.types import Alias, BackendConfig, LearntRow, Routes, WeightedTarget
from bridge.runtime.background import Trouble
from bridge.runtime.gateway import Gateway
from bridge.translation.errors.api_error import ApiError
from bridge.translation.facts import Fact
from tests.bridge.making import a_backend, facts

FIVE = Routes((a_backend(models=facts("a", "b", "c", "d", "e")),))


def page(**query: Any) -> Any:
    return models.models(FIVE, urlencode(query))


def ids(found: Any) -> list[str]:
    return [entry["id"] for entry in found["data"]]


# --- the list of models ------------------------------------------------------------------------


def test_list_is_given_whole_when_it_fits() -> None:
    """wire A14."""
    found = page()
    assert ids(found) == ["a", "b", "c", "d", "e"]
    assert (found["has_more"], found["first_id"], found["last_id"]) == (False, "a", "e")


def test_page_has_twenty_entries_unless_asked_otherwise() -> None:
    """wire A14: limit 1-1000, default 20."""
    many = Routes((a_backend(models=facts(*(f"m{i}" for i in range(1500)))),))
    for query, count in (("", 20), ("limit=1", 1), ("limit=1000", 1000)):
        found = models.models(many, query)
        assert (len(found["data"]), found["has_more"]) == (count, True)


def test_pages_forward_yield_everything_once() -> None:
    """wire F132."""
    first = page(limit=2)
    second = page(limit=2, after_id=first["last_id"])
    third = page(limit=2, after_id=second["last_id"])
    assert [ids(found) for found in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [found["has_more"] for found in (first, second, third)] == [True, True, False]


def test_pages_backward_yield_everything_once() -> None:
    """wire F133; with before_id clients walk back using first_id."""
    first = page(limit=2, before_id="e")
    second = page(limit=2, before_id=first["first_id"])
    third = page(limit=2, before_id=second["first_id"])
    assert [ids(found) for found in (first, second, third)] == [["c", "d"], ["a", "b"], []]
    assert [found["has_more"] for found in (first, second, third)] == [True, False, False]
    assert (third["first_id"], third["last_id"]) == (None, None)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": -1},
        {"limit": "many"},
        {"limit": "1.5"},
        {"after_id": "nobody"},
        {"before_id": "nobody"},
    ],
)
def test_bad_page_is_refused_by_the_name_of_its_field(query: dict[str, Any]) -> None:
    """wire F133: unknown after_id is a 400."""
    with pytest.raises(ApiError) as caught:
        page(**query)
    assert caught.value.status == 400
    assert caught.value.message.startswith(next(iter(query)))


def test_empty_parameters_and_unknown_ones_are_ignored() -> None:
    assert ids(models.models(FIVE, "beta=true&limit=&after_id=&x=%ff")) == list("abcde")


@pytest.mark.parametrize(
    ("wanted", "count"),
    [(["active"], 5), (["deprecated"], 0), (["retired"], 0), (["retired", "active"], 5)],
)
def test_list_is_narrowed_to_the_lifecycle_asked_for(wanted: list[str], count: int) -> None:
    """wire A14: query `lifecycle[]`; all models here are active."""
    query = urlencode([("lifecycle[]", state) for state in wanted])
    assert len(ids(models.models(FIVE, query))) == count


def test_nothing_known_is_an_empty_page() -> None:
    """wire A14: last_id and first_id may be null."""
    assert models.models(Routes((a_backend(),)), "") == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


def test_entry_has_every_member() -> None:
    """wire A14 and F135."""
    routes = Routes((a_backend(models=facts("m", context=4096, max_output=512)),))
    entry = models.model(routes, "m")
    assert (entry["type"], entry["id"], entry["lifecycle"]) == ("model", "m", "active")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry["created_at"])
    assert entry["display_name"]
    assert (entry["max_input_tokens"], entry["max_tokens"]) == (4096, 512)
    absent = {"capabilities", "line", "deprecated_at", "retires_at"}
    assert {name for name in entry if entry[name] is None} == absent


def test_unknown_size_is_null() -> None:
    assert models.model(FIVE, "a")["max_input_tokens"] is None


def test_alias_is_listed_first_with_the_size_of_its_model() -> None:
    """wire F136: Claude Code's discovery keeps names that hold `claude`."""
    backends = (a_backend(models=facts("m", context=4096)),)
    m = (WeightedTarget("main", "m"),)
    routes = Routes(backends, (Alias("claude-m", m), Alias("claude-*", m)))
    listed = models.models(routes, "")
    assert ids(listed) == ["claude-m", "m"]
    assert listed["data"][0]["max_input_tokens"] == 4096


def test_unknown_model_is_not_found() -> None:
    """wire F134."""
    with pytest.raises(ApiError) as caught:
        models.model(FIVE, "z")
    assert (caught.value.status, caught.value.message.split("\n")[0]) == (404, "model: z")


# --- schemas and health ------------------------------------------------------------------------


def configured(engine: Gateway, *backends: BackendConfig, aliases: tuple[Alias, ...] = ()) -> None:
    engine.store.current = Snapshot(2, Routes(backends, aliases))


def test_schemas_tell_what_is_known_and_what_is_not() -> None:
    """Ours: what discovery knows of each model. P13."""
    learnt = {"m": (LearntRow(1, Fact("refuses", "strict")),)}
    backend = a_backend(models=facts("m", context=4096, vision=False), learnt=learnt)
    found = models.schemas(Routes((backend,), (Alias("fast", (WeightedTarget("main", "m"),)),)))
    known = found["backends"]["main"]["models"]["m"]
    assert (known["context"], known["vision"], known["tools"]) == (4096, False, None)
    assert known["refused_fields"] == ["strict"]
    assert known["learned"] == ["refuses strict"]
    assert found["aliases"] == {"fast": "m"}


@pytest.mark.parametrize(
    ("allowed", "aliases"),
    [
        ("", ["fast", "claude-*"]),
        ("claude-s*", ["claude-*"]),
        ("fa*", ["fast"]),
        ("m", []),
    ],
)
def test_schemas_hold_the_aliases_that_a_key_opens(allowed: str, aliases: list[str]) -> None:
    """Also one glob through another."""
    targets = (WeightedTarget("main", "m"),)
    routes = Routes(
        (a_backend(models=facts("m")),), (Alias("fast", targets), Alias("claude-*", targets))
    )
    found = models.schemas(routes, Access(((allowed,),) if allowed else ()))
    assert list(found["aliases"]) == aliases


async def test_new_gateway_is_well(engine: Gateway) -> None:
    status, body = models.health(engine)
    assert (status, body["status"]) == (200, "ok")
    assert body["backends"]["main"]["circuit_breaker"] == "closed"


@pytest.mark.parametrize(
    ("failing", "status", "word"), [(1, 200, "degraded"), (2, 503, "unhealthy")]
)
async def test_health_is_503_when_nothing_would_be_called(
    engine: Gateway, failing: int, status: int, word: str
) -> None:
    """Ours: 200 when it can serve, 503 when it cannot."""
    backends = (a_backend(name="one"), a_backend(name="two"))
    configured(engine, *backends)
    for backend in backends[:failing]:
        for _ in range(5):
            engine.health.admit(backend).failed(ApiError.bad_gateway("down"))
    found, body = models.health(engine)
    assert (found, body["status"]) == (status, word)
    told = body["backends"]["one"]
    assert (told["circuit_breaker"], told["consecutive_failures"]) == ("open", 5)
    assert 1 <= told["retry_after"] <= 30


@pytest.mark.parametrize(("reachable", "word"), [(None, "ok"), (True, "ok"), (False, "degraded")])
async def test_backend_out_of_reach_is_seen(
    engine: Gateway, reachable: bool | None, word: str
) -> None:
    engine.health.of(engine.snapshot.routes.backends[0]).reachable = reachable
    assert models.health(engine)[1]["status"] == word


@pytest.mark.parametrize(
    ("broken", "status", "word"), [(1, 200, "degraded"), (2, 503, "unhealthy")]
)
async def test_backend_that_is_not_configured_is_seen(
    engine: Gateway, broken: int, status: int, word: str
) -> None:
    """snapshot.py: a backend that was broken from the start is never called."""
    backends = [a_backend(name="one"), a_backend(name="two", id=2)]
    for i in range(broken):
        backends[i] = replace(backends[i], broken=NOT_CONFIGURED)
    configured(engine, *backends)
    found, body = models.health(engine)
    assert (found, body["status"]) == (status, word)
    assert body["backends"]["one"]["problem"] == "It is not configured correctly."
    assert ("problem" in body["backends"]["two"]) is (broken == 2)


@pytest.mark.parametrize(
    ("forced", "status", "word"), [("open", 503, "unhealthy"), ("closed", 200, "ok")]
)
async def test_forced_breaker_is_shown_as_it_is_forced(
    engine: Gateway, forced: str, status: int, word: str
) -> None:
    """backends.py: nothing is sent; or failures do not open it."""
    backend = a_backend(breaker=forced)
    configured(engine, backend)
    for _ in range(5):
        engine.health.failed(backend, ApiError.bad_gateway("down"), trial=0)
    found, body = models.health(engine)
    assert (found, body["status"]) == (status, word)
    assert body["backends"]["main"]["circuit_breaker"] == forced


async def test_gateway_without_backends_is_unhealthy(engine: Gateway) -> None:
    configured(engine)
    assert models.health(engine)[0] == 503


async def test_health_shows_names_and_states_only(engine: Gateway) -> None:
    """wire G21: never addresses or keys."""
    secret = a_backend("https://internal.example:8443/v1", key="cpk_operators", models=facts("m"))
    configured(engine, secret)
    condition = engine.health.of(secret)
    condition.last_error = "Could not reach https://internal.example:8443"
    told = json.dumps(models.health(engine)[1]) + json.dumps(models.schemas(Routes((secret,))))
    assert "internal.example" not in told
    assert "cpk_operators" not in told


async def test_failing_background_work_is_named(
    engine: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Observed: the ledger had ended for good, and /health said "ok"."""
    trouble = Trouble("ledger", 3, "OverflowError: secret details", 0.0)
    monkeypatch.setattr(engine.background, "troubles", lambda: [trouble])
    configured(engine, a_backend(name="one"))
    status, body = models.health(engine)
    assert (status, body["status"], body["background_failing"]) == (200, "degraded", ["ledger"])
    assert "secret" not in json.dumps(body)


async def test_demo_is_called_by_its_name(engine: Gateway) -> None:
    """design, Demo backend: the page and the log say that it is the demo."""
    assert models.health(engine)[1]["demo"] is False
    demo = replace(a_backend("demo://local/v1", name="demo"), models=facts("demo/echo"))
    configured(engine, demo)
    assert models.health(engine)[1]["demo"] is True
