"""The token encoder: comes with a package, downloads nothing, and takes text as text."""

import pytest

from bridge.relay.counting.tokenizer import count_text, count_tokens


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("hello world", 2), ("<|endoftext|>", 7), ("\U0001f600", 2)]
)
def test_text_is_counted_as_cl100k_does(text: str, tokens: int) -> None:
    """design, Counting. What looks like a special token is text that somebody wrote."""
    assert count_text(text) == tokens


async def test_request_is_counted_and_grows_with_its_parts() -> None:
    """wire F129, F130: at least 1, more with a tool or a system prompt."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    alone = await count_tokens(body)
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}}
    tooled = await count_tokens(body | {"tools": [{"type": "function", "function": function}]})
    system = {"role": "system", "content": "Be brief."}
    led = await count_tokens(body | {"messages": [system, *body["messages"]]})
    assert 1 <= alone < min(tooled, led)
