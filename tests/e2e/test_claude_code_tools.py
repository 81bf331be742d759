"""Real Claude Code through the gateway: tools that reach the backend by detours. Optional."""

import base64
import json
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.e2e.claude_code import (
    MODEL,
    ClaudeCode,
    Session,
    check_sent,
    fragments,
    last_words,
    names_of_tools,
    needs_claude_code,
    red_square,
    said_by,
    settle,
    turn,
)
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.gateway import Gateway

NOTEBOOK = {
    "cells": [{"cell_type": "code", "id": "c1", "metadata": {}, "source": "1 + 1", "outputs": []}],
    "metadata": {"language_info": {"name": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}

pytestmark = needs_claude_code


@pytest.fixture
def claude_code(gateway: Gateway, tmp_path: Path) -> ClaudeCode:
    return settle(gateway, tmp_path)


@pytest.fixture
def fresh_client(start_gateway: Start, tmp_path: Path) -> ClaudeCode:
    """A client before a gateway that has learned nothing of its models yet."""
    return settle(start_gateway(), tmp_path)


def run_tool_search(claude_code: ClaudeCode, backend: FakeBackend) -> Session:
    """The model looks for a tool that it only knows by name, and uses it."""
    path = str(claude_code.folder / "book.ipynb")
    (claude_code.folder / "book.ipynb").write_text(json.dumps(NOTEBOOK))
    search = {"query": "select:NotebookEdit", "max_results": 5}
    edit = {"notebook_path": path, "cell_id": "c1", "new_source": "6 * 7"}
    backend.on(MODEL).stream(
        *turn(
            fragments(0, "call_search", "ToolSearch", search),
            fragments(1, "call_read", "Read", {"file_path": path}),
        )
    ).stream(*turn(fragments(0, "call_edit", "NotebookEdit", edit))).stream(*last_words("Done."))
    return claude_code.run("Change the notebook.")


def test_tool_that_was_searched_for_is_there_and_is_called(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed client: most of its tools are named at first and come by ToolSearch."""
    session = run_tool_search(claude_code, backend)
    session.check_smooth_end("Done.")
    assert session.called == ["ToolSearch", "Read", "NotebookEdit"]
    book = json.loads((claude_code.folder / "book.ipynb").read_text())
    assert book["cells"][0]["source"] == "6 * 7"


def test_backend_learns_the_searched_tool_as_a_plain_function(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """wire F42, F43: not before the result names it, and the result is a line of text."""
    run_tool_search(claude_code, backend)
    first, second, third = check_sent(backend, 3, claude_code.folder)
    assert "NotebookEdit" not in names_of_tools(first)
    assert "NotebookEdit" in names_of_tools(second)
    assert names_of_tools(second) == names_of_tools(third)
    (function,) = (
        tool["function"] for tool in second["tools"] if tool["function"]["name"] == "NotebookEdit"
    )
    assert {"notebook_path", "new_source"} <= set(function["parameters"]["properties"])
    assert "Loaded tool: NotebookEdit" in said_by(second, "tool")[0].splitlines()


def test_image_that_was_read_reaches_the_backend_behind_its_result(
    fresh_client: ClaudeCode, backend: FakeBackend
) -> None:
    """wire F32: tool messages hold text, so the image follows in the user's name."""
    picture = fresh_client.folder / "red.png"
    picture.write_bytes(red_square())
    read = fragments(0, "call_read", "Read", {"file_path": str(picture)})
    backend.on(MODEL).stream(*turn(read)).stream(*last_words("It is red."))
    session = fresh_client.run("What colour is it?")
    session.check_smooth_end("It is red.")
    _, second = check_sent(backend, 2, fresh_client.folder)
    result, shown = second["messages"][-2:]
    assert (result["role"], shown["role"]) == ("tool", "user")
    assert "[1 image(s) attached below]" in result["content"]
    (image,) = (part for part in shown["content"] if part["type"] == "image_url")
    kind, _, data = image["image_url"]["url"].partition(";base64,")
    assert kind.startswith("data:image/")
    assert base64.b64decode(data, validate=True)[:4] in (b"\x89PNG", b"RIFF", b"\xff\xd8\xff\xe0")


@pytest.mark.parametrize("split", [None, 3, 7], ids=["whole", "in threes", "in sevens"])
def test_call_that_the_model_wrote_as_text_is_made(
    fresh_client: ClaudeCode, backend: FakeBackend, split: int | None
) -> None:
    """Observed backends: without a parser for their model they hand its markup through."""
    path = fresh_client.folder / "hermes.txt"
    arguments = {"file_path": str(path), "content": "<tool_call> & </tool_call>\n"}
    written = json.dumps({"name": "Write", "arguments": arguments})
    markup = f"I write it.\n<tool_call>\n{written}\n</tool_call>"
    size = split or len(markup)
    pieces = [text(markup[at : at + size]) for at in range(0, len(markup), size)]
    backend.on(MODEL).stream(role(), *pieces, finish("stop"), usage(12000, 20)).stream(
        *last_words("Written.")
    )
    session = fresh_client.run("Write the file.")
    session.check_smooth_end("Written.")
    assert path.read_text() == arguments["content"]
    shown = [block["text"].strip() for block in session.blocks("assistant", "text")]
    assert shown == ["I write it.", "Written."]
    _, second = check_sent(backend, 2, fresh_client.folder)
    assistant = second["messages"][-2]
    assert assistant["content"].strip() == "I write it."
    (call,) = assistant["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == arguments


def test_tool_name_in_the_wrong_case_is_repaired(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed client: insists on its spelling of tools."""
    bash = {"command": "echo hello > out.txt", "description": "Say hello"}
    backend.on(MODEL).stream(*turn(fragments(0, "call_1", "bash", bash))).stream(
        *last_words("Hello written.")
    )
    session = claude_code.run("Say hello.")
    session.check_smooth_end("Hello written.")
    assert session.called == ["Bash"]
    assert (claude_code.folder / "out.txt").read_text() == "hello\n"


def test_arguments_that_are_no_json_are_mended(
    claude_code: ClaudeCode, backend: FakeBackend
) -> None:
    """Observed backends: models write Python where JSON is due."""
    path = claude_code.folder / "loose.txt"
    loose = f"{{'file_path': '{path}', 'content': 'a\nb',}}"
    broken = [{**fragments(0, "call_1", "Write", {})[0]}]
    broken[0]["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] = loose
    backend.on(MODEL).stream(*turn(broken)).stream(*last_words("Written."))
    session = claude_code.run("Write the file.")
    session.check_smooth_end("Written.")
    assert path.read_text() == "a\nb"
