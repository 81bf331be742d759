"""What vLLM promises of its own `/v1/messages`, kept in front of any vLLM, in both modes.

Where the gateway does otherwise on purpose, the docstring says so.
"""

from typing import Any

import pytest

from tests.e2e.conftest import Serve
from tests.fakes.backend import ALPHA, HELLO, FakeBackend
from tests.fakes.chunks import Json
from tests.fakes.client import RawClient, Response
from tests.shapes import check_error, check_message

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
BILLING = "x-anthropic-billing-header: cc_version=2.1.160.bca; cc_entrypoint=cli; cch=d1d48;"
TOOL: Json = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
LOOK: Json = {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": "a"}}
HI: Json = {"role": "user", "content": "Hi"}
GREETING: list[Json] = [HI, {"role": "assistant", "content": "Hi there"}]
PNG, JPEG = "data:image/png;base64,AAAA", "data:image/jpeg;base64,QUFB"
LINK = "https://example.com/cat.png"


@pytest.fixture
def client(serve: Serve) -> RawClient:
    return serve("vllm").client


def block(words: str) -> Json:
    return {"type": "text", "text": words}


def thought(words: str) -> Json:
    return {"type": "thinking", "thinking": words, "signature": "s"}


def image(url: str) -> Json:
    """The block that stands for this address."""
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def part(url: str) -> Json:
    return {"type": "image_url", "image_url": {"url": url}}


def message_of(response: Response, stream: bool) -> Json:
    assert response.status == 200, response.body
    return response.message if stream else check_message(response.json)


def sent(client: RawClient, backend: FakeBackend, stream: bool, **fields: Any) -> list[Json]:
    """The messages that the server gets of this request, which is answered."""
    backend.on(ALPHA).answer(*HELLO)
    assert message_of(client.messages(stream=stream, **fields), stream)["content"]
    messages: list[Json] = backend.only_call.body["messages"]
    return messages


# --- requests ---------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("url", [PNG, JPEG, LINK])
def test_image_keeps_its_place_beside_the_text(
    client: RawClient, backend: FakeBackend, url: str, stream: bool
) -> None:
    """vLLM promises a data address for base64, and a link as it is."""
    asked = [{"role": "user", "content": [block("What is this?"), image(url)]}]
    (message,) = sent(client, backend, stream, messages=asked)
    assert message["content"] == [block("What is this?"), part(url)]


RESULTS: dict[str, tuple[object, str, list[str]]] = {
    "a string": ("contents", "contents", []),
    "text blocks": ([block("line 1"), block("line 2")], "line 1\nline 2", []),
    "an image": ([image(PNG)], "[1 image(s) attached below]", [PNG]),
    "text and image": ([block("Seen:"), image(JPEG)], "Seen:", [JPEG]),
    "images": ([image(PNG), image(LINK)], "[2 image(s) attached below]", [PNG, LINK]),
    "nothing": (None, "(no output)", []),
}
"""Content of a result -> the tool's message, and images in a message of the user behind it."""


@BOTH
@pytest.mark.parametrize(("content", "words", "urls"), list(RESULTS.values()), ids=list(RESULTS))
def test_result_is_a_message_of_the_tool_and_its_images_follow(
    client: RawClient,
    backend: FakeBackend,
    content: object,
    words: str,
    urls: list[str],
    stream: bool,
) -> None:
    """vLLM promises the text under the call's id. It leaves the tool's message empty where there
    is no text; several templates refuse that, so a few words stand there."""
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": content}
    turns = [HI, {"role": "assistant", "content": [LOOK]}, {"role": "user", "content": [result]}]
    _, calling, answer, *rest = sent(client, backend, stream, messages=turns, tools=[TOOL])
    assert calling["tool_calls"][0]["id"] == answer["tool_call_id"] == "call_1"
    assert answer["role"] == "tool" and answer["content"].startswith(words)
    parts = [part for message in rest for part in message["content"]]
    assert [p["image_url"]["url"] for p in parts if p["type"] == "image_url"] == urls
    assert [message["role"] for message in rest] == ["user"] * bool(urls)


SYSTEMS: dict[str, tuple[object, list[str]]] = {
    "a string": ("Help.", ["Help."]),
    "blocks": ([block("Help."), block("Be brief.")], ["Help.", "Be brief."]),
    "a line that varies": ([block("Help."), block(BILLING)], ["Help."]),
    "it alone": ([block(BILLING)], []),
}


@BOTH
@pytest.mark.parametrize(("system", "pieces"), list(SYSTEMS.values()), ids=list(SYSTEMS))
def test_system_prompt_leads_without_the_line_that_varies(
    client: RawClient, backend: FakeBackend, system: object, pieces: list[str], stream: bool
) -> None:
    """vLLM promises it, so that the prefix cache holds."""
    *leading, last = sent(client, backend, stream, system=system)
    assert [message["role"] for message in leading] == ["system"] * bool(pieces)
    assert ["".join(m["content"].split()) for m in leading] == [
        "".join("".join(pieces).split()) for _ in leading
    ]
    assert last["role"] == "user"


@BOTH
@pytest.mark.parametrize("content", ["Be brief.", [block("Be "), block("brief.")]])
def test_system_message_at_the_head_of_the_conversation_joins_the_leading_one(
    client: RawClient, backend: FakeBackend, content: object, stream: bool
) -> None:
    """vLLM promises the request's own prompt first."""
    early = {"role": "system", "content": content}
    leading, last = sent(client, backend, stream, system="Help.", messages=[early, HI])
    assert leading["role"] == "system" and leading["content"].startswith("Help.")
    assert "brief." in leading["content"] and last == HI


@BOTH
def test_later_system_message_stays_behind_what_was_before_it(
    client: RawClient, backend: FakeBackend, stream: bool
) -> None:
    """vLLM promises its place. It stays a system message there only for templates that take one;
    here it becomes a part of the user's message, which all of them take."""
    turns = [*GREETING, HI, {"role": "system", "content": "Be brief."}]
    leading, *_, last = sent(client, backend, stream, system="Help.", messages=turns)
    assert leading["content"] == "Help." and last["role"] == "user"
    assert str(last["content"]).index("Hi") < str(last["content"]).index("Be brief.")


@BOTH
def test_later_system_message_of_the_varying_line_alone_is_left_out(
    client: RawClient, backend: FakeBackend, stream: bool
) -> None:
    """vLLM promises that nothing is left of it, and all of what stands beside it."""
    turns = [*GREETING, HI, {"role": "system", "content": [block(BILLING)]}]
    assert sent(client, backend, stream, messages=turns) == [*GREETING, HI]
    backend.reset()
    turns[-1] = {"role": "system", "content": [block(BILLING), block("Be brief.")]}
    *_, message = sent(client, backend, stream, messages=turns)
    assert "billing" not in str(message) and "Be brief." in str(message)


HISTORIES: dict[str, tuple[list[Json], str | None, str | None]] = {
    "beside text": ([thought("I plan."), block("Done.")], "I plan.", "Done."),
    "in pieces": (
        [thought("I plan. "), thought("I do."), block("Done.")],
        "I plan. I do.",
        "Done.",
    ),
    "none": ([block("Done.")], None, "Done."),
    "redacted beside it": (
        [thought("I plan."), {"type": "redacted_thinking", "data": "b2s="}, block("Done.")],
        "I plan.",
        "Done.",
    ),
}


@BOTH
@pytest.mark.parametrize(
    ("content", "reasoning", "words"), list(HISTORIES.values()), ids=list(HISTORIES)
)
def test_earlier_thinking_is_the_reasoning_of_its_message(
    client: RawClient,
    backend: FakeBackend,
    content: list[Json],
    reasoning: str | None,
    words: str,
    stream: bool,
) -> None:
    """vLLM promises its reasoning beside the text, never in it."""
    turns = [HI, {"role": "assistant", "content": content}, HI]
    _, answer, _ = sent(client, backend, stream, messages=turns)
    found = answer.get("reasoning_content")
    assert (found and "".join(found.split())) == (reasoning and "".join(reasoning.split()))
    assert (answer["content"] or "") == words


@BOTH
def test_turn_of_thinking_alone_is_no_turn(
    client: RawClient, backend: FakeBackend, stream: bool
) -> None:
    """vLLM promises to take it, with reasoning and no content. Other servers refuse a message
    without either, so here it is left out and its neighbours join."""
    turns = [HI, {"role": "assistant", "content": [thought("I plan.")]}, HI]
    (message,) = sent(client, backend, stream, messages=turns)
    assert message["role"] == "user" and str(message["content"]).count("Hi") == 2


@BOTH
def test_thinking_before_a_call_goes_back_with_the_call(
    client: RawClient, backend: FakeBackend, stream: bool
) -> None:
    """vLLM promises reasoning and calls in one message."""
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "4"}
    turns = [
        HI,
        {"role": "assistant", "content": [thought("I look."), LOOK]},
        {"role": "user", "content": [result]},
    ]
    _, calling, _ = sent(client, backend, stream, messages=turns, tools=[TOOL])
    assert calling["reasoning_content"] == "I look." and not calling["content"]
    assert [c["function"]["name"] for c in calling["tool_calls"]] == ["look"]


FAULTY: dict[str, tuple[Json, str]] = {
    "call without id": ({"type": "tool_use", "name": "look", "input": {}}, "id"),
    "call without name": ({"type": "tool_use", "id": "c", "input": {}}, "name"),
    "call with empty name": ({"type": "tool_use", "id": "c", "name": "", "input": {}}, "name"),
    "result without id": ({"type": "tool_result", "content": "x"}, "tool_use_id"),
    "text without text": ({"type": "text"}, "text"),
    "image without source": ({"type": "image"}, "source"),
    "thinking without thinking": ({"type": "thinking", "signature": "s"}, "thinking"),
}


@BOTH
@pytest.mark.parametrize(("faulty", "member"), list(FAULTY.values()), ids=list(FAULTY))
def test_block_without_what_gives_it_a_meaning_is_refused_by_name(
    client: RawClient, backend: FakeBackend, faulty: Json, member: str, stream: bool
) -> None:
    """vLLM promises a 400. It also refuses an empty id, redacted thinking without data and a call
    without input: nothing is lost by those, so a session goes on with them here."""
    turns = [HI, {"role": "assistant", "content": [faulty]}, HI]
    response = client.messages(stream=stream, messages=turns)
    error = check_error(response.json)["error"]
    assert (response.status, error["type"]) == (400, "invalid_request_error")
    assert error["message"].startswith(f"messages.1.content.0.{member}: ")
    assert not backend.calls


@BOTH
@pytest.mark.parametrize(
    "faulty",
    [
        {"type": "tool_use", "id": "", "name": "look", "input": {}},
        {"type": "tool_use", "id": "c", "name": "look"},
        {"type": "redacted_thinking"},
        thought(""),
        {"type": "thinking", "thinking": "Hm."},
        block(""),
    ],
)
def test_block_of_which_nothing_is_lost_is_taken(
    client: RawClient, backend: FakeBackend, faulty: Json, stream: bool
) -> None:
    """vLLM promises the last three: text and thinking may be empty, a signature may be missing."""
    turns = [HI, {"role": "assistant", "content": [faulty, block("Done.")]}, HI]
    messages = sent(client, backend, stream, messages=turns)
    assert "Done." in str(messages)


@BOTH
def test_message_of_an_unknown_role_is_refused(
    client: RawClient, backend: FakeBackend, stream: bool
) -> None:
    """vLLM promises it for `tool`."""
    response = client.messages(stream=stream, messages=[{"role": "tool", "content": "x"}])
    assert response.status == 400
    assert check_error(response.json)["error"]["message"].startswith("messages.0.role: ")
