"""A live llama.cpp server behind the gateway. Optional: set TEST_LLAMA_SERVER.

The variable is the command that starts the server, with `{port}` where the port belongs, and with a
chat template by which its model calls tools. The words of a real model vary, so nothing here
depends on them; for numbers, what the server itself counts is the measure.
"""

import os
import re
from collections.abc import Iterator

import pytest

from tests.fakes.chunks import Json
from tests.fakes.gateway import launch
from tests.live.llama_server import Client, Server, running, wait_until

COMMAND = os.environ.get("TEST_LLAMA_SERVER", "")
CITY: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
WEATHER: Json = {"name": "get_weather", "description": "Weather of a city.", "input_schema": CITY}
CLOCK: Json = {"name": "get_time", "description": "The time.", "input_schema": {"type": "object"}}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])

pytestmark = pytest.mark.skipif(
    not COMMAND, reason="no llama.cpp server: TEST_LLAMA_SERVER is not set"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(COMMAND, tmp_path_factory.mktemp("llama") / "server.log") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A gateway that estimates tokens, found its backend's family, and refuses images."""
    yield from serving(server, tmp_path_factory, IMAGES_ON_TEXT_MODEL="error")


@pytest.fixture(scope="module")
def counting_client(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    yield from serving(server, tmp_path_factory, EXACT_TOKEN_COUNTS="1")


def serving(server: Server, folders: pytest.TempPathFactory, **variables: str) -> Iterator[Client]:
    gateway = launch("daphne", folders.mktemp("gateway"), server.url, variables)
    yield Client(gateway, server.model)
    gateway.stop()
    gateway.check_log()


def text_of(message: Json) -> str:
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")


def prompt_of(message: Json) -> int:
    """Tokens of the prompt, the cached ones included."""
    usage = message["usage"]
    return int(usage["input_tokens"] + usage["cache_read_input_tokens"])


@BOTH
def test_text_comes_and_is_counted_as_the_server_counts(
    server: Server, client: Client, streamed: bool
) -> None:
    """Observed backend; wire D6: usage is the server's own."""
    text = "Name three colours."
    message = client.message(text, streamed, max_tokens=24)
    assert text_of(message).strip()
    assert message["stop_reason"] in ("end_turn", "max_tokens")
    direct = server.chat([{"role": "user", "content": text}], max_tokens=24)
    assert prompt_of(message) == direct["usage"]["prompt_tokens"]
    assert message["usage"]["output_tokens"] == direct["usage"]["completion_tokens"]
    assert text_of(message) == direct["choices"][0]["message"]["content"]


@BOTH
def test_forced_tool_is_called(client: Client, streamed: bool) -> None:
    """wire F50: a named choice is no more than "auto" to this server, so it gets one tool."""
    message = client.message(
        "Say hello.",
        streamed,
        tools=[CLOCK, WEATHER],
        tool_choice={"type": "tool", "name": "get_weather"},
    )
    (call,) = (block for block in message["content"] if block["type"] == "tool_use")
    assert (call["name"], message["stop_reason"]) == ("get_weather", "tool_use")
    assert isinstance(call["input"]["city"], str)


@BOTH
def test_tool_is_called_freely_and_its_result_is_taken(client: Client, streamed: bool) -> None:
    """Observed backend: call, result, and on."""
    question = "What is the weather in Lisbon?"
    message = client.message(question, streamed, tools=[WEATHER])
    calls = [block for block in message["content"] if block["type"] == "tool_use"]
    assert calls and message["stop_reason"] == "tool_use"
    assert {call["name"] for call in calls} == {"get_weather"}
    results = [
        {"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"} for call in calls
    ]
    history = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": message["content"]},
        {"role": "user", "content": results},
    ]
    again = client.message("", streamed, messages=history, tools=[WEATHER], max_tokens=40)
    assert again["content"]


@BOTH
def test_stop_sequence_is_named_and_cut(client: Client, streamed: bool) -> None:
    """wire C8: this server does not say which string matched, so the gateway looks itself."""
    message = client.message(
        "Count from 1 to 9, with commas.", streamed, stop_sequences=["5", "never"]
    )
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "5")
    assert "4" in text_of(message) and "5" not in text_of(message)


@BOTH
def test_length_is_kept(client: Client, streamed: bool) -> None:
    """wire D5."""
    message = client.message("Count from 1 to 99.", streamed, max_tokens=5)
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("max_tokens", 5)


def test_begun_answer_is_continued_without_repeating_it(client: Client) -> None:
    """wire C4.9: the server repeats what it continues."""
    begun = [
        {"role": "user", "content": "Count from 1 to 9, with commas."},
        {"role": "assistant", "content": "1, 2, 3, 4,"},
    ]
    said = text_of(client.message("", messages=begun, max_tokens=12))
    assert said.strip().startswith("5")


@BOTH
def test_overflow_is_told_in_the_servers_numbers(
    server: Server, client: Client, streamed: bool
) -> None:
    """wire E4: the wording on which Claude Code compacts."""
    text = "word " * (server.window + 1000)
    said = re.fullmatch(
        r"prompt is too long: (\d+) tokens > (\d+) maximum",
        client.refusal(400, text, stream=streamed),
    )
    assert said is not None
    assert int(said[1]) == server.count([{"role": "user", "content": text}])
    assert int(said[2]) == server.window


@BOTH
def test_image_is_refused_so_that_clients_go_on_without_it(client: Client, streamed: bool) -> None:
    """wire E5; backends 1.4: the server calls it an error of its own."""
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    asked = [{"role": "user", "content": [{"type": "image", "source": source}]}]
    said = client.refusal(400, messages=asked, stream=streamed)
    assert said.startswith("Could not process image")


def test_unknown_model_is_refused_by_the_gateway(server: Server, client: Client) -> None:
    """wire F63; backends 1.4: the server would answer under any name."""
    said = client.refusal(404, model="no/such-model")
    assert said.startswith("model: no/such-model")
    assert server.model in said


def test_client_that_leaves_frees_the_server(server: Server, client: Client) -> None:
    """Ours: it has one slot, and the schema makes sure that this answer is a long one."""
    numbers = {"type": "array", "items": {"type": "integer"}, "minItems": 500}
    form = {"format": {"type": "json_schema", "schema": numbers}}
    client.leave_after_first_words("List numbers.", max_tokens=4000, output_config=form)
    wait_until(lambda: server.is_idle, "the server goes on for nobody")
    assert client.message("Hello.", max_tokens=4)["content"]


CONVERSATION: list[Json] = [
    {"role": "user", "content": "What is the weather in Łódź? \U0001f327"},
    {"role": "assistant", "content": "I will look it up. " * 20},
    {"role": "user", "content": "Please do. " * 30},
]
FUNCTION = {"name": "get_weather", "description": WEATHER["description"], "parameters": CITY}
COUNTED: list[tuple[Json, Json]] = [
    ({}, {}),
    ({"tools": [WEATHER]}, {"tools": [{"type": "function", "function": FUNCTION}]}),
]


@pytest.mark.parametrize(("asked", "direct"), COUNTED, ids=["text", "tools"])
def test_tokens_are_counted_by_the_server(
    server: Server, counting_client: Client, asked: Json, direct: Json
) -> None:
    """wire B10, C9: exact where the server counts for us."""
    system = {"role": "system", "content": "Be brief."}
    exact = server.count([system, *CONVERSATION], **direct)
    asked = {"messages": CONVERSATION, "system": "Be brief.", **asked}
    assert counting_client.count("", **asked) == exact


@pytest.mark.parametrize(("asked", "direct"), COUNTED, ids=["text", "tools"])
def test_estimate_of_tokens_is_of_the_right_size(
    server: Server, client: Client, asked: Json, direct: Json
) -> None:
    """wire C9: an estimate, of which clients decide when to compact."""
    exact = server.count(CONVERSATION, **direct)
    assert exact / 2 <= client.count("", messages=CONVERSATION, **asked) <= exact * 2
