"""Requirements that no other test proves word for word: identity, versions, limits, both modes."""

import httpx
import pytest

from tests.fakes.backend import ALPHA, FAMILY, FakeBackend
from tests.fakes.client import KEY, MESSAGES, PLAIN, ask
from tests.fakes.gateway import Gateway
from tests.shapes import Json, check_error

MEBIBYTE = 2**20


def test_missing_key_is_refused_with_an_identity(gateway: Gateway) -> None:
    """F4: the header and the body name the same request."""
    response = gateway.with_key(None).post(MESSAGES, ask())
    assert response.status == 401
    error = check_error(response.json)
    assert error["error"]["type"] == "authentication_error"
    assert error["request_id"] == response.headers["request-id"]
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("version", [None, "2023-06-01", "2026-10-21", "1999-01-01"])
def test_version_does_not_matter(gateway: Gateway, version: str | None) -> None:
    """F6: also where a client sends none at all."""
    headers = {"x-api-key": KEY} | ({} if version is None else {"anthropic-version": version})
    with httpx.Client(base_url=gateway.url, **PLAIN) as client:
        assert client.post(MESSAGES, json=ask(), headers=headers).status_code == 200


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_repaired_name_gives_the_answer(
    gateway: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """S6: earlier gateways lost the answer that came under the corrected name."""
    response = gateway.client.messages(model="ZAI-ORG/glm-4.5-AIR", stream=streamed)
    assert response.status == 200
    message = response.message if streamed else response.json
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert backend.only_call.model == "zai-org/GLM-4.5-Air"


def test_health_tells_of_breakers_and_models(gateway: Gateway) -> None:
    """R3: per backend, without a key."""
    told = gateway.with_key(None).get("/health").json
    (backend,) = told["backends"].values()
    assert (told["status"], told["models_known"]) == ("ok", len(FAMILY))
    assert (backend["circuit_breaker"], backend["consecutive_failures"]) == ("closed", 0)


def _speech(turns: int) -> list[Json]:
    return [{"role": ("user", "assistant")[turn % 2], "content": "x"} for turn in range(turns)]


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        (_speech(999), 200),
        (_speech(1000), 200),
        (_speech(1001), 400),
        ([{"role": "user", "content": "x" * 5 * MEBIBYTE}], 200),
        ([{"role": "user", "content": "x" * (5 * MEBIBYTE + 1)}], 413),
    ],
    ids=["999 messages", "1000 messages", "1001 messages", "5 MiB", "a byte more"],
)
def test_limits_are_those_that_were_promised(
    gateway: Gateway, messages: list[Json], status: int
) -> None:
    """R11: without any setting."""
    assert gateway.client.messages(messages=messages).status == status


@pytest.mark.parametrize("rows", ["backend", "modelalias", "toolnamemap", "apikey"])
def test_pages_with_rows_are_for_staff_only(
    gateway: Gateway, backend: FakeBackend, rows: str
) -> None:
    """S24: whoever has no account is asked to log in, and sees no row."""
    with httpx.Client(base_url=gateway.url, **PLAIN) as stranger:
        page = stranger.get(f"/admin/bridge/{rows}/", headers={"x-api-key": KEY})
    assert (page.status_code, page.is_redirect) == (302, True)
    assert page.headers["location"].startswith("/admin/login/")
    assert str(backend.port) not in page.text and ALPHA not in page.text
