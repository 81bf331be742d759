"""Limits of keys hold exactly, and whoever meets one is told what to do."""

import math
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import pytest

from tests.conftest import starting
from tests.fakes import books
from tests.fakes.backend import ALPHA, HELLO, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.client import MESSAGES, RawClient, Response, Stream, ask, leave
from tests.fakes.crowd import Crowd, Seen
from tests.fakes.gateway import Gateway
from tests.fakes.issuing import issue
from tests.fakes.replies import Gate
from tests.shapes import check_error

MOMENT = "%Y-%m-%dT%H:%M:%S%z"
KEYS: dict[str, dict[str, Any]] = {
    "rpm": {"rpm": 20},
    "places": {"concurrent": 4},
    "plain-places": {"concurrent": 1},
    "tpm": {"tpm": 1000},
    "small-tpm": {"tpm": 10},
    "sdk": {"rpm": 1},
    "all": {"rpm": 50, "tpm": 1_000_000, "concurrent": 50, "budget_usd": 10},
}


@pytest.fixture(scope="module")
def limited(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, dict[str, str]]]:
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start("serve")
        yield gateway, issue(gateway, **KEYS)


@pytest.fixture
def gateway(limited: tuple[Gateway, dict[str, str]], backend: FakeBackend) -> Gateway:
    return limited[0]


@pytest.fixture
def keys(limited: tuple[Gateway, dict[str, str]]) -> dict[str, str]:
    return limited[1]


def told(headers: Any, kind: str) -> tuple[int, int, float]:
    """Limit, what is left of it, and the seconds until all of it is back."""
    limit, left, reset = (
        headers[f"anthropic-ratelimit-{kind}-{part}"] for part in ("limit", "remaining", "reset")
    )
    moment = datetime.strptime(reset, MOMENT)
    return int(limit), int(left), (moment - datetime.now(UTC)) / timedelta(seconds=1)


def refusal(response: Response | Seen) -> str:
    """What a 429 for a limit says; it has all that such an answer must have."""
    body = response.json if isinstance(response, Response) else response.body
    error = check_error(body)["error"]
    assert (response.status, error["type"]) == (429, "rate_limit_error")
    assert "x-should-retry" not in response.headers
    return str(error["message"])


def test_exactly_so_many_requests_pass_in_a_minute(gateway: Gateway, keys: dict[str, str]) -> None:
    """field: 64 at once; never one too many, and the others know when to come back."""
    with Crowd(gateway.url, 64, at_once=64, key=keys["rpm"]) as crowd:
        seen = crowd.wait_all()
    passed = [one for one in seen if one.status == 200]
    assert sorted(told(one.headers, "requests")[1] for one in passed) == list(range(20))
    refused = [one for one in seen if one.status != 200]
    assert len(refused) == 44
    for one in refused:
        assert refusal(one) == "Rate limit of 20 requests per minute exceeded"
        limit, left, reset = told(one.headers, "requests")
        assert (limit, left) == (20, 0)
        assert 0 < reset <= 61
        assert 1 <= int(one.headers["retry-after"]) <= 60
        assert "anthropic-ratelimit-tokens-limit" not in one.headers
    ids = {one.headers["request-id"] for one in refused}
    rows = books.until(
        lambda: [row for row in books.rows(gateway) if row["request_id"] in ids],
        lambda found: len(found) == 44,
        gateway,
    )
    assert {(row["key"], row["status"], row["error_type"], row["attempts"]) for row in rows} == {
        ("rpm", 429, "rate_limit_error", 0)
    }


def gated(backend: FakeBackend, count: int) -> list[Gate]:
    """The next answers each stop at a gate after their first word; those after them do not."""
    gates = [Gate() for _ in range(count)]
    script = backend.on(ALPHA)
    for gate in gates:
        script.stream(role(), text("He"), gate, text("y"), finish("stop"), usage(5, 2))
    script.answer(*HELLO)
    return gates


def begun(client: RawClient) -> Stream:
    stream = client.stream()
    stream.events_until("content_block_delta")
    return stream


def test_so_many_requests_run_at_once(
    gateway: Gateway, keys: dict[str, str], backend: FakeBackend
) -> None:
    """field: a place is free again when its stream ends, and when its client leaves."""
    client = gateway.with_key(keys["places"])
    gates = gated(backend, 4)
    with ExitStack() as streams:
        running = [streams.enter_context(begun(client)) for _ in gates]
        with Crowd(gateway.url, 16, key=keys["places"]) as crowd:
            for refused in crowd.wait_all():
                assert refusal(refused) == "Limit of 4 concurrent requests exceeded"
                assert refused.headers["retry-after"] == "1"
        gates[0].open()
        running[0].message()
        assert client.messages().status == 200  # at once: a place is given back before the end
        running[1].leave()
        backend.calls[1].wait_left()
        with Crowd(gateway.url, 20, at_once=1, key=keys["places"]) as crowd:
            assert {one.status for one in crowd.wait_all()} == {200}
        for gate in gates:
            gate.open()
        for stream in running[2:]:
            assert stream.message()["stop_reason"] == "end_turn"


def test_client_that_never_sees_an_answer_gives_its_place_back(
    gateway: Gateway, keys: dict[str, str], backend: FakeBackend
) -> None:
    """Ours: also before the first byte, in both modes; also where the backend fails."""
    client = gateway.with_key(keys["plain-places"])
    for streamed in (False, True):
        gate = Gate()
        backend.reset()
        backend.on(ALPHA).json({}, before=gate).error(500).answer(*HELLO)
        connection = client.send("POST", MESSAGES, ask(stream=streamed))
        gate.wait_reached()
        assert refusal(client.messages()) == "Limit of 1 concurrent requests exceeded"
        leave(connection)
        backend.only_call.wait_left()
        assert books.until(client.messages, lambda got: got.status != 429, gateway).status == 500
        assert client.messages().status == 200


def test_tokens_count_as_the_backend_reports_them(
    gateway: Gateway, keys: dict[str, str], backend: FakeBackend
) -> None:
    """field: an estimate is reserved, and settled with what was really used."""
    client = gateway.with_key(keys["tpm"])
    backend.on(ALPHA).answer(role(), text("Hi"), finish("stop"), usage(3, 1)).answer(
        role(), text("Hi"), finish("stop"), usage(950, 40)
    )
    for reserved_at_least, streamed in ((5, False), (9, True)):
        answer = client.messages(stream=streamed)
        limit, left, _ = told(answer.headers, "tokens")
        assert (answer.status, limit) == (200, 1000)
        assert 900 < left <= 1000 - reserved_at_least
    third = client.messages()
    assert refusal(third) == "Rate limit of 1000 tokens per minute exceeded"
    assert told(third.headers, "tokens")[:2] == (1000, 1000 - 4 - 990)
    assert 50 < int(third.headers["retry-after"]) <= 60
    assert "anthropic-ratelimit-requests-limit" not in third.headers


def test_prompt_that_never_fits_is_told_so(gateway: Gateway, keys: dict[str, str]) -> None:
    """Ours: to wait is of no use, and SDKs must not."""
    response = gateway.with_key(keys["small-tpm"]).messages(system="word " * 100)
    error = check_error(response.json)["error"]
    assert (response.status, error["type"]) == (429, "rate_limit_error")
    assert re.fullmatch(
        r"Request of about \d+ tokens exceeds the 10 tokens per minute of this key",
        error["message"],
    )
    assert response.headers["x-should-retry"] == "false"
    assert "retry-after" not in response.headers


def test_every_answer_tells_what_is_left(gateway: Gateway, keys: dict[str, str]) -> None:
    """API documentation: rate limit headers; a forwarded key has none."""
    client = gateway.with_key(keys["all"])
    for number, response in enumerate((client.messages(), client.messages(stream=True)), 1):
        assert told(response.headers, "requests")[:2] == (50, 50 - number)
        limit, left, reset = told(response.headers, "tokens")
        assert (limit, math.ceil(reset) in range(59, 62)) == (1_000_000, True)
        assert 1_000_000 - 100 < left < 1_000_000
    free = gateway.client.messages()
    assert [name for name in free.headers if "ratelimit" in name] == []


def test_sdk_sees_a_rate_limit_error(gateway: Gateway, keys: dict[str, str]) -> None:
    """Observed client: the class, its headers, and a wait that the SDK would keep by itself."""
    with anthropic.Anthropic(api_key=keys["sdk"], base_url=gateway.url, max_retries=0) as sdk:
        for stream in (False, True):
            if not stream:
                create(sdk, stream)
            with pytest.raises(anthropic.RateLimitError) as caught:
                create(sdk, stream)
            headers = caught.value.response.headers
            assert told(headers, "requests")[:2] == (1, 0)
            assert 1 <= int(headers["retry-after"]) <= 60
            assert caught.value.request_id == headers["request-id"]


def create(sdk: anthropic.Anthropic, stream: bool) -> None:
    message: Any = {"role": "user", "content": "hi"}
    sdk.messages.create(model=ALPHA, max_tokens=100, messages=[message], stream=stream)
