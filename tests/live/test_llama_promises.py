"""What llama.cpp promises of its own `/v1/messages`, through the gateway before a live server.

Optional: set TEST_LLAMA_SERVER, see test_llama_server.py. Words of a real model vary, so what is
checked is the shape of its answers.
"""

import os
from collections.abc import Iterator

import pytest

from tests.fakes.gateway import launch
from tests.live.llama_promises import ANSWERED, IMAGE, WEATHER, block, user
from tests.live.llama_server import Client, running

COMMAND = os.environ.get("TEST_LLAMA_SERVER", "")
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
FEW = 24

pytestmark = pytest.mark.skipif(
    not COMMAND, reason="no llama.cpp server: TEST_LLAMA_SERVER is not set"
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running(COMMAND, tmp_path_factory.mktemp("llama") / "server.log") as server:
        gateway = launch("daphne", tmp_path_factory.mktemp("gateway"), server.url, {})
        yield Client(gateway, server.model)
        gateway.stop()
        gateway.check_log()


@BOTH
@pytest.mark.parametrize("promise", list(ANSWERED))
def test_request_is_answered_with_a_whole_message(
    client: Client, promise: str, stream: bool
) -> None:
    """llama.cpp promises content, a stop reason and every count of each of these."""
    asked = {"max_tokens": FEW} | ANSWERED[promise]
    message = client.message("Say hello.", stream, **asked)
    assert message["stop_reason"] in ("end_turn", "max_tokens", "stop_sequence", "tool_use")
    assert message["usage"]["output_tokens"] > 0


@BOTH
def test_call_is_a_block_with_id_name_and_an_object(client: Client, stream: bool) -> None:
    """llama.cpp promises stop_reason tool_use with it."""
    message = client.message(
        "Weather in Oslo?", stream, tools=[WEATHER], tool_choice={"type": "any"}
    )
    (call,) = (block for block in message["content"] if block["type"] == "tool_use")
    assert (call["name"], message["stop_reason"]) == ("weather_at", "tool_use")
    assert isinstance(call["input"], dict)


@BOTH
def test_image_for_a_model_without_eyes_does_not_end_the_session(
    client: Client, stream: bool
) -> None:
    """llama.cpp answers 500 to an image; a session would hang on it for good."""
    asked = [user(IMAGE, block("What is this?"))]
    assert client.message("", stream, messages=asked, max_tokens=FEW)["content"]


def test_count_of_tokens_grows_with_a_system_prompt(client: Client) -> None:
    assert 0 < client.count("Good day") < client.count("Good day", system="You answer briefly.")


def test_request_without_a_message_is_refused(client: Client) -> None:
    assert client.refusal(400, messages=[]).startswith("messages: ")
