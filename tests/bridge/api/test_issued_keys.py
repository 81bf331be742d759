"""Issued keys at the endpoints: what ended ones are told, where a key may come from, what a limited
one gets to see, and how often it may have tokens counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bridge.api import endpoints
from bridge.api.endpoints import Endpoint
from bridge.keys.authentication import IssuedKey, digest
from bridge.keys.client_address import networks_of
from bridge.ledger.record import Record
from bridge.places import Places
from bridge.relay.counting import tokenizer
from bridge.routing.types import Alias, WeightedTarget
from bridge.runtime import gateway
from bridge.runtime.gateway import Gateway
from tests.bridge.api.test_endpoints import Connection
from tests.bridge.making import BETA
from tests.bridge.pairs import change
from tests.bridge.roads import configure, configure_process
from tests.fakes.backend import ALPHA
from tests.fakes.client import ask

GOOD, OLD, LIMITED, AT_HOME = (f"gwk_{name}" for name in ("good", "old", "limited", "at_home"))
COUNT = "/v1/messages/count_tokens"
KEYS = {
    digest(GOOD): IssuedKey(1, "team", four="good"),
    digest(OLD): IssuedKey(1, "team", four="_old", ended="rotated", ended_at=1.0),
    digest(LIMITED): IssuedKey(2, "guest", allowed=("test/beta", "public-*")),
    digest(AT_HOME): IssuedKey(3, "home", networks=networks_of("10.0.0.0/8")),
}


@pytest.fixture(autouse=True)
def in_place(engine: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The endpoints find this gateway, which knows those keys, on their loop."""
    monkeypatch.setattr(gateway, "current", lambda: engine)
    engine.store.current = replace(engine.snapshot, keys=KEYS)
    yield


async def met(
    endpoint: Endpoint,
    key: str,
    method: str = "GET",
    path: str = "/",
    body: Any = None,
    peer: str = "192.0.2.1",
    **headers: str,
) -> Connection:
    connection = Connection(method, path, body)
    given = {"x-api-key": key} | {name.replace("_", "-"): value for name, value in headers.items()}
    connection.scope["headers"] = [(n.encode(), v.encode()) for n, v in given.items()]
    connection.scope["client"] = (peer, 4711)
    connection.scope["url_route"] = {"kwargs": {"name": path.rpartition("/")[2]}}
    await asyncio.wait_for(connection.meet(endpoint), 10)
    return connection


async def asked(key: str, model: str = ALPHA, **more: Any) -> Connection:
    return await met(endpoints.messages, key, "POST", "/v1/messages", ask(model=model), **more)


# --- keys that have ended -----------------------------------------------------------------------


async def test_rotated_key_is_told_so_and_its_use_is_on_record_under_its_name(
    records: list[Record],
) -> None:
    """Ours: pages M9. Which of the two keys of a row it was stands beside the name."""
    answer = await asked(OLD)
    error = answer.json["error"]
    assert (answer.status, answer.headers["x-should-retry"]) == (401, "false")
    assert error["type"] == "authentication_error"
    assert "ends in _old" in error["message"] and "was replaced by a new one" in error["message"]
    await asked(GOOD)
    assert [(r.key, r.key_id, r.key_four, r.status) for r in records] == [
        ("team", 1, "_old", 401),
        ("team", 1, "good", 200),
    ]


@pytest.mark.parametrize("endpoint", [endpoints.models, endpoints.schemas])
async def test_rotated_key_is_told_so_everywhere(endpoint: Endpoint) -> None:
    answer = await met(endpoint, OLD)
    assert answer.status == 401 and "was replaced" in answer.json["error"]["message"]


# --- where a key may come from ------------------------------------------------------------------


@pytest.mark.parametrize("peer", ["10.1.2.3", "192.0.2.1"])
async def test_key_with_addresses_serves_requests_from_there_only(peer: str) -> None:
    """Ours: the answer names the address that was seen."""
    body = ask(model=ALPHA)
    calls = [
        await asked(AT_HOME, peer=peer),
        await met(endpoints.count_tokens, AT_HOME, "POST", COUNT, body, peer),
        await met(endpoints.models, AT_HOME, peer=peer),
    ]
    if peer.startswith("10."):
        assert [answer.status for answer in calls] == [200, 200, 200]
        return
    for answer in calls:
        assert (answer.status, answer.headers["x-should-retry"]) == (403, "false")
        assert answer.json["error"]["message"].endswith("may not be used from 192.0.2.1")


@pytest.mark.parametrize("trusted", [False, True])
async def test_forwarded_address_counts_behind_a_trusted_front_only(
    trusted: bool, engine: Gateway
) -> None:
    """docs, security: the last one, which the front wrote."""
    configure_process(engine, "access", trust_forwarded_proto=trusted)
    spoofed = await asked(AT_HOME, x_forwarded_for="10.9.9.9, 198.51.100.1")
    told = await asked(AT_HOME, x_forwarded_for="198.51.100.1, 10.9.9.9")
    assert (spoofed.status, told.status) == (403, 200 if trusted else 403)


@pytest.mark.parametrize(("how", "kept"), [("off", ""), ("whole", "192.0.2.1"), ("hashed", None)])
async def test_address_is_on_the_record_as_the_setting_says(
    how: str, kept: str | None, engine: Gateway, records: list[Record]
) -> None:
    """Ours: operators, client's address on the record."""
    configure(engine, client_addresses=how)
    await asked(GOOD)
    (record,) = records
    if kept is not None:
        assert record.address == kept
    else:
        assert len(record.address) == 12 and "192.0.2.1" not in str(record)


# --- what a limited key sees --------------------------------------------------------------------


def more_names(engine: Gateway) -> None:
    aliases = (
        Alias("public-fast", (WeightedTarget("main", BETA),)),
        Alias("internal", (WeightedTarget("main", ALPHA),)),
    )
    change(engine, aliases=aliases)
    engine.store.current = replace(engine.snapshot, keys=KEYS)


async def test_schemas_hold_what_the_key_may_use(engine: Gateway) -> None:
    """Ours: operators M9."""
    more_names(engine)
    limited = (await met(endpoints.schemas, LIMITED)).json
    assert list(limited["backends"]["main"]["models"]) == [BETA]
    assert limited["aliases"] == {"public-fast": BETA}
    whole = (await met(endpoints.schemas, GOOD)).json
    assert set(whole["backends"]["main"]["models"]) == {ALPHA, BETA}
    assert set(whole["aliases"]) == {"public-fast", "internal"}


async def test_404_suggests_what_the_key_may_use(engine: Gateway) -> None:
    """Ours: attack. From each endpoint that has suggestions."""
    more_names(engine)
    wrong = ask(model="public-typo")
    answers = [
        await met(endpoints.messages, LIMITED, "POST", "/v1/messages", wrong),
        await met(endpoints.count_tokens, LIMITED, "POST", COUNT, wrong),
        await met(endpoints.model, LIMITED, path="/v1/models/public-typo"),
    ]
    for answer in answers:
        assert answer.status == 404
        told = answer.json["error"]["message"]
        assert "public-fast" in told and "internal" not in told and ALPHA not in told


# --- counting tokens ----------------------------------------------------------------------------


async def counted(key: str = GOOD, content: str = "hi") -> Connection:
    body = {"model": ALPHA, "messages": [{"role": "user", "content": content}]}
    return await met(endpoints.count_tokens, key, "POST", COUNT, body)


@pytest.mark.parametrize("key", [GOOD, "cpk_forwarded"])
async def test_counting_has_a_limit_of_its_own_for_each_key(key: str, engine: Gateway) -> None:
    """Ours: attack, count_tokens. Requests for answers are not counted with it."""
    configure(engine, count_tokens_rpm=2)
    statuses = [(await counted(key)).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = await counted(key)
    assert "2 requests per minute" in refused.json["error"]["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (await counted(LIMITED if key == GOOD else GOOD)).status in (200, 403)
    assert (await asked(key)).status == 200


async def test_counting_without_a_limit(engine: Gateway) -> None:
    configure(engine, count_tokens_rpm=0)
    assert [(await counted()).status for _ in range(5)] == [200] * 5


async def test_more_counting_than_may_wait_is_refused_at_once(engine: Gateway) -> None:
    """Ours: attack, twenty counts of 4.9 MB at once took gigabytes."""
    engine.relay.counting = Places(1, waiting=2, waiting_bytes=10**9)
    answers = await asyncio.gather(*(counted(content="a " * 100_000) for _ in range(8)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [200] * 3 + [529] * 5
    busy = next(answer for answer in answers if answer.status == 529)
    assert busy.json["error"]["type"] == "overloaded_error"
    assert busy.headers["retry-after"] == "1"
    assert (engine.relay.counting.waiting, engine.relay.counting.waiting_bytes) == (0, 0)
    assert (await counted()).status == 200


async def test_bytes_that_wait_to_be_counted_are_bounded(engine: Gateway) -> None:
    engine.relay.counting = Places(1, waiting=100, waiting_bytes=300_000)
    answers = await asyncio.gather(*(counted(content="a " * 100_000) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 200, 529, 529, 529]


async def test_client_that_leaves_while_it_waits_gives_its_place_back(engine: Gateway) -> None:
    engine.relay.counting = Places(1, waiting=1)
    async with engine.relay.counting.take():
        waiting = asyncio.create_task(counted())
        while not engine.relay.counting.waiting:
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert engine.relay.counting.waiting == 0
    assert (await counted()).status == 200


def test_one_thread_counts_and_takes_long_texts_in_pieces() -> None:
    """Ours: its memory does not grow with the length of a word."""
    assert tokenizer._thread._max_workers == 1
    text = "word " * 20_000
    whole = len(tokenizer._encoding().encode_ordinary(text))
    assert abs(tokenizer.count_text(text) - whole) <= 2 * (len(text) // tokenizer.PIECE + 1)
