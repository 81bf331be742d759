"""What the buttons of a backend do: against a real server, over real rows."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async

from bridge.admin import backend_actions
from bridge.admin.backend_actions import ActionResult
from bridge.backends.client import BackendClient
from bridge.configuration.row_faults import UNREADABLE_KEY
from bridge.models import Backend, DiscoveredModel
from bridge.runtime.gateway import Gateway
from tests.bridge.found import Found, reads
from tests.bridge.ports import closed_port
from tests.bridge.rows import an_alias
from tests.fakes.backend import FakeBackend

# --- asking ------------------------------------------------------------------------------------


@pytest.fixture
async def row(found: Found, upstream: BackendClient, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """The backend row, in a process whose gateway has been asked nothing yet."""
    parts = SimpleNamespace(discovery=found.discovery, upstream=upstream)
    monkeypatch.setattr(backend_actions, "running", lambda: parts)
    return await Backend.objects.aget()


async def tried(row: Backend) -> list[ActionResult]:
    return await sync_to_async(backend_actions.test_backend)(row)


async def test_model_list_is_read_now(row: Backend, backend: FakeBackend) -> None:
    told = await sync_to_async(backend_actions.refresh_models)(row)
    assert told == ActionResult(True, "main: 5 models listed.")
    assert reads(backend) == 1
    assert await DiscoveredModel.objects.acount() == 5


async def test_list_that_cannot_be_read_is_told(row: Backend, backend: FakeBackend) -> None:
    backend.list_models()
    told = await sync_to_async(backend_actions.refresh_models)(row)
    assert not told.well
    assert told.text.startswith("main: no model list. ")


async def test_trial_reads_the_list_and_asks_one_model(row: Backend, backend: FakeBackend) -> None:
    first, second = await tried(row)
    assert first == ActionResult(True, "main: 5 models listed.")
    assert second.well and re.fullmatch(r"\S+ answered in (\d+ ms|\d\.\d s)\.", second.text)
    assert backend.only_call.model == second.text.partition(" ")[0]
    assert backend.only_call.body["max_tokens"] == backend_actions.TEST_TOKENS


async def test_trial_asks_what_an_alias_leads_to_where_nothing_is_listed(
    row: Backend, backend: FakeBackend
) -> None:
    backend.list_models()
    await sync_to_async(an_alias)("fast", (row, "vendor/hidden"))
    _list, answer = await tried(row)
    assert answer.well
    assert backend.only_call.model == "vendor/hidden"


async def test_trial_without_any_model_says_what_to_do(row: Backend, backend: FakeBackend) -> None:
    backend.list_models()
    _list, answer = await tried(row)
    assert answer == ActionResult(
        False, "main: no model to ask; add an alias, or a key for the list."
    )
    assert backend.calls == []


async def test_refusal_is_told_without_key_and_address(row: Backend, backend: FakeBackend) -> None:
    """the issue: no key in any message."""
    row.credential = "cpk_very_secret_0123"
    await row.asave()
    host = backend.base_url.partition("://")[2]
    backend.list_models("m")
    backend.on("m").error(401, f"Bad key cpk_very_secret_0123 at {host}")
    _list, answer = await tried(row)
    assert not answer.well
    assert answer.text.startswith("m: status 401. ")
    assert "cpk_very_secret" not in answer.text and host not in answer.text


@pytest.mark.parametrize("body", ['{"ok": true}', "<html>", '"choices"'])
async def test_answer_that_is_none_is_not_well(
    row: Backend, backend: FakeBackend, body: str
) -> None:
    """Ours: a page with status 200 is no model."""
    backend.list_models("m")
    backend.on("m").raw(body, "application/json")
    _list, answer = await tried(row)
    assert answer == ActionResult(False, f"m: status 200, but no completion. {body}")


async def test_server_that_is_away_is_told(row: Backend) -> None:
    with closed_port() as port:
        row.url = f"http://127.0.0.1:{port}/v1"
        await row.asave()
        await sync_to_async(an_alias)("fast", (row, "m"))
        answers = await tried(row)
    assert [told.well for told in answers] == [False, False]
    assert answers[1].text.startswith("main: Could not reach the backend")


async def test_key_that_cannot_be_read_stops_both_buttons(
    row: Backend, backend: FakeBackend
) -> None:
    await Backend.objects.aupdate(credential="sealed:nonsense")
    await row.arefresh_from_db()
    wanted = [ActionResult(False, f"main: {UNREADABLE_KEY}")]
    assert await tried(row) == wanted
    assert [await sync_to_async(backend_actions.refresh_models)(row)] == wanted
    assert backend.requests == []


async def test_click_outside_the_server_builds_no_gateway(
    found: Found, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A management shell has no gateway: the click gets a client of its own, and no background
    work starts."""

    def refuse(*_: object) -> None:
        raise AssertionError("a second gateway")

    monkeypatch.setattr(Gateway, "__init__", refuse)
    row = await Backend.objects.aget()
    tasks = asyncio.all_tasks()
    listed, answer = await tried(row)
    assert (listed.well, answer.well) == (True, True)
    assert asyncio.all_tasks() == tasks
    assert await DiscoveredModel.objects.acount() == 5
