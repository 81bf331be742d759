"""What the gateway learns about models, and what it does with a name."""

import pytest

from tests.conftest import Start
from tests.fakes.backend import ALPHA, MODELS, FakeBackend
from tests.fakes.gateway import Gateway, Ready
from tests.shapes import check_message


@pytest.mark.parametrize("asked", ["TEST/ALPHA", "test/Alpha", "test/alpha"])
def test_case_of_a_name_is_repaired(gateway: Gateway, backend: FakeBackend, asked: str) -> None:
    """Ours, kept from earlier gateways: backends insist on their spelling. R8, F63."""
    assert gateway.client.messages(model=asked).json["model"] == asked
    assert backend.only_call.model == ALPHA


def test_window_suffix_of_a_name_is_removed(gateway: Gateway, backend: FakeBackend) -> None:
    """Observed client: people write it into the name."""
    assert gateway.client.messages(model="test/alpha[1m]").status == 200
    assert backend.only_call.model == ALPHA


def test_answer_is_never_longer_than_the_window(gateway: Gateway, backend: FakeBackend) -> None:
    """Observed client: asks for 32000 tokens of a model that it does not know. P12, F58."""
    assert gateway.client.messages(model="test/small", max_tokens=32000).status == 200
    assert 3000 < backend.only_call.body["max_tokens"] < 4096


def test_nothing_known_means_every_name_is_tried(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """Observed backends: some list nothing; the name is theirs to judge. P8, F62."""
    backend.list_models()
    gateway = start_gateway(ready=Ready.HEALTHY, MODEL_MAP='{"claude-*": "any/thing"}')
    assert gateway.client.messages(model="any/Name").status == 200
    assert gateway.client.messages(model="claude-sonnet-4-5").json["model"] == "claude-sonnet-4-5"
    assert gateway.client.messages(model="模型/ü").json["model"] == "模型/ü"
    assert [call.model for call in backend.calls] == ["any/Name", "any/thing", "模型/ü"]


def test_list_that_needs_a_key_is_learned_from_the_first_request(
    start_gateway: Start,
) -> None:
    """Observed backends: list nothing to strangers; the first caller brings a key.

    The backend is this test's alone: other gateways would ask theirs for its list now and then.
    """
    with FakeBackend() as own:
        own.route("GET", MODELS).error(401, "no key")
        gateway = start_gateway(ready=Ready.HEALTHY, BACKEND_URL=own.chat_url)
        own.wait_for_request(MODELS).wait_answered()
        own.reset()
        assert gateway.client.messages().status == 200
        own.wait_for_request(MODELS, header="authorization")
        assert ALPHA in gateway.names()


def test_very_first_request_is_served(start_gateway: Start, backend: FakeBackend) -> None:
    """Ours: whoever comes while the gateway wakes up waits a moment and is not turned away."""
    gateway = start_gateway(ready=Ready.LISTENING)
    assert gateway.client.messages(model="TEST/alpha").status == 200
    assert backend.only_call.model == ALPHA


def test_demo_plays_when_no_backend_is_named(start_gateway: Start) -> None:
    """Ours: a newcomer sees a conversation before configuring anything."""
    client = start_gateway(demo=True).client
    assert [entry["id"] for entry in client.get("/v1/models").json["data"]] == ["demo/echo"]
    with client.stream(model="demo/echo", text="Is anybody there?") as stream:
        message = stream.message()
    assert message["model"] == "demo/echo"
    assert "Is anybody there?" in message["content"][-1]["text"]
    assert check_message(client.messages(model="demo/echo").json)["stop_reason"] == "end_turn"
