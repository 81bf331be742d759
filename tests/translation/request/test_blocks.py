"""Every kind of content block, at each place where it may stand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.translation.profiles import ModelFacts
from bridge.translation.request.blocks import BLOCKS, IMAGE_OMITTED
from tests.shapes import Json
from tests.translation.asking import (
    GONE,
    PNG_URL,
    as_assistant,
    as_user,
    assistant,
    call,
    image,
    in_result,
    result,
    sent_messages,
    text,
    thinking,
    user,
)

BLIND = ModelFacts("m", vision=False)
DOCUMENT: Json = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "words"},
    "title": "T",
    "context": "C",
    "citations": {"enabled": True},
}
PARTS: Json = {
    "type": "document",
    "source": {"type": "content", "content": [text("a"), text("b")]},
}
SEARCH: Json = {
    "type": "search_result",
    "source": "http://x",
    "title": "T",
    "content": [text("a"), text("b")],
}
AS_TEXT: list[tuple[str, Json, str]] = [
    ("text", text("words", cache_control={"type": "ephemeral"}), "words"),
    ("F25 document of text", DOCUMENT, '<document title="T">\nC\nwords\n</document>'),
    ("document of parts", PARTS, "<document>\na\n\nb\n</document>"),
    (
        "document of a string",
        {"type": "document", "source": {"type": "content", "content": "a"}},
        "<document>\na\n</document>",
    ),
    (
        "document of nonsense",
        {"type": "document", "source": {"type": "content", "content": 5}},
        "<document>\n\n</document>",
    ),
    (
        "search result",
        SEARCH,
        '<search_result source="http://x" title="T">\na\n\nb\n</search_result>',
    ),
    (
        "search result of nonsense",
        {"type": "search_result", "content": [5, {"text": 5}]},
        '<search_result source="" title="">\n\n</search_result>',
    ),
    (
        "F14 unknown",
        {"type": "hologram", "x": [1, "\u00e9"]},
        '{"type":"hologram","x":[1,"\u00e9"]}',
    ),
]


@pytest.mark.parametrize("place", [as_user, as_assistant, in_result])
@pytest.mark.parametrize(("block", "words"), [b[1:] for b in AS_TEXT], ids=[b[0] for b in AS_TEXT])
def test_block_becomes_the_same_text_everywhere(place: Any, block: Json, words: str) -> None:
    """The specification, C3."""
    assert place(block) == words


@pytest.mark.parametrize("place", [as_user, as_assistant, in_result])
def test_f14_unknown_block_is_cut(place: Any) -> None:
    """The specification, C3: 2000 characters of its JSON."""
    block = {"type": "hologram", "x": "y" * 3000}
    assert place(block) == json.dumps(block, separators=(",", ":"))[:2000]


SUMMARY = "<conversation_summary>S</conversation_summary>"
# what stands in a user's turn, what in the assistant's; None: nothing
BY_SIDE: list[tuple[str, Json, str | None, str | None]] = [
    ("empty text", text(""), None, None),
    ("thinking", thinking("hm"), None, None),
    ("redacted thinking", {"type": "redacted_thinking", "data": "x"}, None, None),
    ("a reference", {"type": "tool_reference", "tool_name": "B"}, None, None),
    ("an upload", {"type": "container_upload", "file_id": "f"}, None, None),
    ("a fallback", {"type": "fallback", "from": "a", "to": "b"}, None, None),
    ("a listing", {"type": "mcp_tool_listing", "server_name": "s"}, None, None),
    ("a call of the user", call("t"), None, ""),
    ("an image of the assistant", image(), PNG_URL, "[image]"),
    ("a result of the assistant", result("t", "r"), "[tool result t]\nr", "[tool result t] r"),
]


@pytest.mark.parametrize(
    ("block", "of_user", "of_assistant"), [b[1:] for b in BY_SIDE], ids=[b[0] for b in BY_SIDE]
)
def test_block_depends_on_the_side(
    block: Json, of_user: str | None, of_assistant: str | None
) -> None:
    """The specification, C3."""
    mine = as_user(block)
    if mine and isinstance(mine, list):
        mine = mine[0]["image_url"]["url"]
    assert mine == (GONE if of_user is None else of_user)
    if of_assistant is None:
        assert as_assistant(block) is GONE
    elif block["type"] != "tool_use":
        assert as_assistant(block) == of_assistant


def test_summary_of_an_assistant_message_is_told_by_the_user_before_it() -> None:
    """The specification, C3: a compaction block, wherever it stands."""
    block = {"type": "compaction", "content": "S"}
    assert as_user(block) == SUMMARY
    expected = [
        {"role": "user", "content": f"q\n\n{SUMMARY}"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "z"},
    ]
    assert sent_messages(user("q"), assistant(block, "a"), user("z")) == expected
    assert as_user({"type": "compaction", "content": None}) is GONE


# --- tool results -----------------------------------------------------------------------------

RESULTS: list[tuple[str, Json, str]] = [
    ("F31 nothing", result("t"), "(no output)"),
    ("an empty string", result("t", content=""), "(no output)"),
    ("an empty list", result("t", content=[]), "(no output)"),
    ("a string", result("t", "r"), "r"),
    ("several texts", result("t", text("a"), text("b")), "a\nb"),
    ("F30 an error", result("t", "boom", is_error=True), "Error: boom"),
    ("an error that says so", result("t", "ERROR: x", is_error=True), "ERROR: x"),
    (
        "Claude Code's own mark",
        result("t", "<tool_use_error>x", is_error=True),
        "<tool_use_error>x",
    ),
    ("an error without words", result("t", is_error=True), "Error: (no output)"),
    ("no error", result("t", "boom", is_error=False), "boom"),
    (
        "F43 references",
        result("t", *({"type": "tool_reference", "tool_name": n} for n in "BC")),
        "Loaded tool: B\nLoaded tool: C",
    ),
    ("a browser", result("t", {"type": "browser_state", "tabs": [{"id": 1}]}), '[{"id":1}]'),
    ("F32 an image", result("t", "r", image()), "r\n[1 image(s) attached below]"),
    ("only images", result("t", image(), image()), "[2 image(s) attached below]"),
    ("a block of no kind", result("t", content=[{"type": ""}]), '{"type":""}'),
]


@pytest.mark.parametrize(
    ("block", "content"), [r[1:] for r in RESULTS], ids=[r[0] for r in RESULTS]
)
def test_result_becomes_text(block: Json, content: str) -> None:
    """The specification, C3: several templates reject or skip empty tool content."""
    messages = sent_messages(user("q"), assistant(call("t")), user(block))
    assert messages[2] == {"role": "tool", "tool_call_id": "t", "content": content}


def test_image_in_a_result_for_a_blind_model_is_a_note() -> None:
    """F23 inside a tool result."""
    assert in_result("r", image(), facts=BLIND) == f"r\n{IMAGE_OMITTED}"


# --- what ran on the vendor's side ------------------------------------------------------------


def use(name: str, **more: Any) -> Json:
    return {"type": "server_tool_use", "id": "s", "name": name, **more}


def ran(kind: str, content: Any) -> Json:
    return {"type": f"{kind}_tool_result", "tool_use_id": "s", "content": content}


def fetched(**source: Any) -> Json:
    content = {"type": "document", "source": source, "title": "T"}
    return {"type": "web_fetch_result", "url": "http://x", "content": content}


HIT = {"type": "web_search_result", "title": "T", "url": "http://x", "encrypted_content": "zz"}
FOUND = {"tool_references": [{"type": "tool_reference", "tool_name": n} for n in ("A", "B")]}
SEARCHED = use("web_search", input={"query": "x"})
MCP = use("n", type="mcp_tool_use", server_name="srv")
PDF_PAGE = fetched(type="base64", media_type="application/pdf", data="JVBERi0=")
PAGE = fetched(type="text", media_type="text/plain", data="words")
MCP_RESULT = {"type": "mcp_tool_result", "content": [text("a"), text("b")]}
FAILED = {"stdout": None, "stderr": "err", "return_code": 1}
VENDOR: list[tuple[str, Json, Any]] = [
    ("a call", SEARCHED, '[web_search {"query":"x"}]'),
    ("a call without input", use("n"), "[n {}]"),
    ("an MCP call", MCP, "[srv.n {}]"),
    ("a search", ran("web_search", [HIT, HIT]), "T - http://x\nT - http://x"),
    ("a failed search", ran("web_search", {"error_code": "too_many"}), "error: too_many"),
    ("a page", ran("web_fetch", PAGE), "http://x\nwords"),
    ("a PDF page", ran("web_fetch", PDF_PAGE), "http://x"),
    ("code", ran("code_execution", {"stdout": "out", "return_code": 0}), "out\nreturn code 0"),
    ("code that failed", ran("bash_code_execution", FAILED), "err\nreturn code 1"),
    ("an edit", ran("text_editor_code_execution", {"type": "view", "content": "lines"}), "lines"),
    ("a tool search", ran("tool_search", FOUND), "A\nB"),
    ("advice", ran("advisor", {"type": "advisor_result", "text": "do"}), "do"),
    ("an MCP result", MCP_RESULT, "a\nb"),
    ("nothing", ran("web_search", []), GONE),
    ("nonsense", ran("web_search", 5), GONE),
]


@pytest.mark.parametrize(("block", "words"), [v[1:] for v in VENDOR], ids=[v[0] for v in VENDOR])
def test_what_ran_at_the_vendor_is_told_as_text(block: Json, words: Any) -> None:
    """The specification, C3."""
    assert as_assistant(block) == words


def test_call_and_result_of_the_vendor_stand_one_below_the_other() -> None:
    """The specification, C3: one text line, then the results."""
    assert (
        as_assistant(use("n"), ran("web_search", [HIT]), text("so"))
        == "[n {}]\n\nT - http://x\n\nso"
    )


def test_every_kind_that_claude_code_sends_has_a_row() -> None:
    """Claude Code observed: these seven."""
    kinds = {
        "text",
        "tool_use",
        "tool_result",
        "thinking",
        "redacted_thinking",
        "image",
        "tool_reference",
    }
    assert kinds <= set(BLOCKS)
