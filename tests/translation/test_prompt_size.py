"""The size of a prompt before it is known where it goes: text, images and PDFs, by their bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.translation.prompt_size import PromptSize, prompt_size
from bridge.translation.request.schema import RequestLimits, read_request

IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "A" * 999},
}
PDF = {
    "type": "document",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "A" * 4000},
}


def size(*content: Any, role: str = "user", **fields: Any) -> PromptSize:
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": role, "content": list(content)}]}
    return prompt_size(read_request(json.dumps(body | fields).encode(), RequestLimits()))


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def test_text_counts_by_its_bytes_and_not_by_how_it_is_escaped() -> None:
    """A client may write each character of a Chinese prompt as six bytes of JSON."""
    assert size(text("漢字" * 50)).text_bytes == 300


def test_system_prompt_and_tools_count() -> None:
    tool = {"name": "Bash", "description": "run", "input_schema": {"type": "object"}}
    plain = size(text("hi"), system="s" * 100).text_bytes
    assert plain == 102
    assert size(text("hi"), system="s" * 100, tools=[tool]).text_bytes > plain + 40


def test_tools_that_are_loaded_later_do_not_count() -> None:
    tool = {"name": "Later", "input_schema": {"type": "object"}, "defer_loading": True}
    assert size(text("hi"), tools=[tool]).text_bytes == 2


def test_calls_and_results_count_and_earlier_thinking_does_not() -> None:
    call = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "x" * 100}}
    thought = {"type": "thinking", "thinking": "y" * 500, "signature": "z"}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text("r" * 70), IMAGE]}
    assert 110 <= size(call, thought, role="assistant").text_bytes < 150
    assert size(result) == PromptSize(70, images=1)


def test_images_and_pdfs_count_apart_from_text() -> None:
    found = size(text("look"), IMAGE, IMAGE, PDF)
    assert found == PromptSize(4, images=2, pdf_bytes=3000)
    assert found.tokens() == 1 + 2 * 1000 + 60


@pytest.mark.parametrize("source", [{}, {"type": "text", "data": 5}, {"type": "base64"}])
def test_a_document_without_data_has_no_size(source: dict[str, Any]) -> None:
    assert size(text("x"), {"type": "document", "source": source}) == PromptSize(1)


def test_text_of_documents_counts() -> None:
    document = {"type": "document", "source": {"type": "text", "data": "d" * 80}}
    assert size(document).text_bytes == 80


def _made_of(*blocks: Any) -> dict[str, Any]:
    return {"type": "document", "source": {"type": "content", "content": list(blocks)}}


@pytest.mark.parametrize("in_result", [False, True], ids=["said", "in a tool result"])
def test_images_and_text_inside_of_documents_count(in_result: bool) -> None:
    """They reach the model, so a target for images takes the request."""
    document = _made_of(text("d" * 80), IMAGE)
    result = {"type": "tool_result", "tool_use_id": "t", "content": [document]}
    assert size(result if in_result else document) == PromptSize(80, images=1)


def test_text_of_search_results_counts() -> None:
    found = {"type": "search_result", "source": "s", "title": "t", "content": [text("r" * 90)]}
    assert size(found).text_bytes == 90


def test_a_size_given_in_tokens_is_estimated_at_as_many() -> None:
    assert PromptSize.of_tokens(12_345).tokens() == 12_345
    assert PromptSize.of_tokens(1000).tokens(2.0) == 2000
