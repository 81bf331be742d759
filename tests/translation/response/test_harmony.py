"""gpt-oss behind a server that hands its channels through: thinking, text and calls."""

from __future__ import annotations

import json

import pytest

from tests.properties.listening import agree, folded, listen
from tests.shapes import Json

SCHEMAS: Json = {"Bash": {"properties": {"command": {"type": "string"}}, "required": ["command"]}}
ANALYSIS = "<|channel|>analysis<|message|>User greets.<|end|>"
FINAL = "<|start|>assistant<|channel|>final<|message|>Hello there"
CALL = "commentary to=functions.Bash <|constrain|>json<|message|>"
ROLE = "<|start|>assistant to=functions.Bash<|channel|>commentary json<|message|>"
PREAMBLE = "<|channel|>commentary<|message|>Hello there<|end|>"
ARGUMENTS = '{"command": "ls"}<|call|>'
THOUGHT = {"thinking": "User greets."}
HELLO = {"text": "Hello there"}
LS = {"name": "Bash", "input": {"command": "ls"}}

CASES: list[tuple[str, str, list[Json]]] = [
    ("B4 analysis and final", ANALYSIS + FINAL, [THOUGHT, HELLO]),
    ("with the end of the answer", f"{ANALYSIS}{FINAL}<|return|>\n", [THOUGHT, HELLO]),
    ("from the very start", f"<|start|>assistant{ANALYSIS}{FINAL}", [THOUGHT, HELLO]),
    ("final alone", FINAL, [HELLO]),
    ("blank lines around", f"\n\n{ANALYSIS}\n{FINAL}", [THOUGHT, HELLO]),
    ("no end marks", ANALYSIS.removesuffix("<|end|>") + FINAL, [THOUGHT, HELLO]),
    (
        "no end and no start",
        f"{ANALYSIS[:-7]}<|channel|>final<|message|>Hello there",
        [THOUGHT, HELLO],
    ),
    (
        "thinking in two messages",
        f"{ANALYSIS[:-7]}<|start|>assistant<|channel|>analysis<|message|> Ok{FINAL}",
        [{"thinking": "User greets. Ok"}, HELLO],
    ),
    ("thinking only", ANALYSIS, [THOUGHT]),
    (
        "a format for the answer",
        '<|channel|>final <|constrain|>json<|message|>{"a": 1}',
        [{"text": '{"a": 1}'}],
    ),
    (
        "a preamble",
        f"{ANALYSIS}<|start|>assistant{PREAMBLE}",
        [THOUGHT, HELLO],
    ),
    (
        "a call behind thinking",
        f"{ANALYSIS}<|start|>assistant<|channel|>{CALL}{ARGUMENTS}",
        [THOUGHT, LS],
    ),
    (
        "a recipient in the role",
        f"{ANALYSIS}{ROLE}{ARGUMENTS}",
        [THOUGHT, LS],
    ),
    (
        "a call in the thinking",
        f"<|channel|>analysis to=functions.Bash code<|message|>{ARGUMENTS}",
        [LS],
    ),
    (
        "a call behind a preamble",
        f"{PREAMBLE}<|start|>assistant<|channel|>{CALL}{ARGUMENTS}",
        [{"text": "Hello there\n"}, LS],
    ),
    (
        "marks inside arguments",
        f'<|channel|>{CALL}{{"command": "echo <|end|>"}}<|call|>',
        [{"name": "Bash", "input": {"command": "echo <|end|>"}}],
    ),
    ("half a mark at the end", f"{FINAL} a <|en", [{"text": "Hello there a <|en"}]),
    ("something behind the end", f"{FINAL}<|end|> more", [{"text": "Hello there more"}]),
]
TEXTS = [
    "<|channel|>",
    "<|channel|>other<|message|>Hello",
    "<|channel|>analysis and no message" + " x" * 400,
    "<|start|>user<|message|>Hello",
    "It begins with <|channel|>analysis<|message|>so<|end|>",
    "<|chan",
    " <b>bold</b>",
    "Hello<|end|>",
]
SIZES = pytest.mark.parametrize("size", [1, 5, 10_000])


def answered(text: str, size: int) -> tuple[list[Json], Json]:
    """The blocks without what is made up, as a stream and plainly."""
    deltas = [{"content": text[at : at + size]} for at in range(0, len(text), size)]
    chunks: list[Json] = [{"choices": [{"delta": d, "finish_reason": None}]} for d in deltas]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    message = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    streamed = listen([body], written_calls=SCHEMAS)
    whole = listen([json.dumps(message).encode()], "application/json", written_calls=SCHEMAS)
    assert agree(streamed.result, folded(streamed))
    made_up = ("type", "id", "signature")
    both = [
        [{k: v for k, v in block.items() if k not in made_up} for block in folded(heard)["content"]]
        for heard in (streamed, whole)
    ]
    assert both[0] == both[1]
    return both[0], streamed.result


@SIZES
@pytest.mark.parametrize(("name", "text", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_channels_become_thinking_text_and_calls(
    name: str, text: str, wanted: list[Json], size: int
) -> None:
    """TensorRT-LLM#9256, macprovider#743: gpt-oss without a parser."""
    blocks, message = answered(text, size)
    assert blocks == wanted
    assert message["stop_reason"] == ("tool_use" if "name" in wanted[-1] else "end_turn")


@SIZES
@pytest.mark.parametrize("text", TEXTS)
def test_other_text_with_such_marks_stays_text(text: str, size: int) -> None:
    """The decisions of the reports: leaked end tokens stay, and a mention is none."""
    assert answered(text, size)[0] == [{"text": text}]
