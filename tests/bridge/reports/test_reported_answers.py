"""Answers that lost or doubled something, ran what nobody meant, or ended as a success."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.runtime.gateway import Gateway
from tests.bridge.making import facts
from tests.bridge.pairs import with_main
from tests.bridge.reports.playing import (
    BOTH,
    HELLO,
    LS,
    PWD,
    TOOLS,
    blocks_of,
    calls,
    fragment,
    message_of,
)
from tests.bridge.roads import send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import arguments, call, delta, finish, reasoning, text
from tests.shapes import Json

Steps = Sequence[Json | str]
CALLED = finish("tool_calls")
FULL: Json = {"role": "assistant", "content": "Hello there"}


def last(**members: Any) -> Json:
    """A last chunk: a choice with a finish reason and these members."""
    return {"choices": [{"index": 0, "finish_reason": "stop", **members}]}


def each(**fields: Any) -> Json:
    """A chunk that names a finish reason beside its content."""
    return last(delta=fields)


def document(finish_reason: str = "stop", **message: Any) -> Json:
    choice = {"index": 0, "finish_reason": finish_reason, "message": message}
    return {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}


def two_calls(**members: Any) -> Steps:
    """Two whole calls whose members are all that tells them apart."""
    return [
        calls(fragment(**members)),
        calls(fragment(arguments='{"command": "pwd"}', **members)),
        CALLED,
    ]


DSML = (
    '<｜DSML｜invoke name="Bash">\n<｜DSML｜parameter name="command" string="true">ls'
    "</｜DSML｜parameter>\n</｜DSML｜invoke>"
)
INVOKE = '<invoke name="Bash">\n<parameter name="command">ls</parameter>\n</invoke>'
HARMONY = (
    "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary "
    'to=functions.Bash <|constrain|>json<|message|>{"command": "ls"}<|call|>'
)
HM = {"thinking": "Hm."}
HALF = {"text": "half an ans"}
THINKER = "MiniMax-M3"

MESSAGES: list[tuple[str, Steps | Json, list[Json], str]] = [
    ("U8 any-llm#1200 sensitive", [text("half an ans"), finish("sensitive")], [HALF], "refusal"),
    (
        "U8 opencode#18813 the window is full",
        [text("half an ans"), finish("model_context_window_exceeded")],
        [HALF],
        "model_context_window_exceeded",
    ),
    (
        "U8 upper case of a bridge",
        [text("half an ans"), finish("MAX_TOKENS")],
        [HALF],
        "max_tokens",
    ),
    ("U8 upper case, filtered", document("SAFETY", content="half an ans"), [HALF], "refusal"),
    (
        "U9 a chunk lost in text is a gap",
        [text("Hello "), 'data: {"choices": [{"del\n\n', text("there"), finish("stop")],
        [HELLO],
        "end_turn",
    ),
    (
        "U10 gcli2api#403, litellm#2195, one-api PR#1477",
        [each(content="Hel"), each(content="lo "), each(content="there")],
        [HELLO],
        "end_turn",
    ),
    (
        "U10 a thought that finished first",
        [each(reasoning_content="H"), each(reasoning_content="m."), each(content="Hello there")],
        [HM, HELLO],
        "end_turn",
    ),
    (
        "U10 a call behind the finish",
        [each(reasoning_content="Hm."), calls(fragment(index=0, id="a"))],
        [HM, LS],
        "tool_use",
    ),
    (
        "U11 hermes-browser-extension#11",
        [text("Hello "), text("there"), last(message=FULL)],
        [HELLO],
        "end_turn",
    ),
    (
        "U11 one-api#2406",
        [text("Hello "), text("there"), last(message=FULL, delta={})],
        [HELLO],
        "end_turn",
    ),
    ("U11 a message and nothing before it", [last(message=FULL)], [HELLO], "end_turn"),
    ("U12 smolagents PR#1958, one index", two_calls(index=0), [LS, PWD], "tool_use"),
    ("U12 agents PR#260, no index and no id", two_calls(), [LS, PWD], "tool_use"),
    ("U12 maka#1976, empty ids", two_calls(index=0, id=""), [LS, PWD], "tool_use"),
    (
        "U12 numeric ids",
        [calls(fragment(index=0, id=0), fragment(index=1, id=1, arguments="{}")), CALLED],
        [LS, {"name": "Bash", "input": {}}],
        "tool_use",
    ),
    (
        "U12 indexes that are text",
        [
            calls(fragment(index="0", id="a", arguments='{"comm')),
            calls({"index": "0", "function": {"arguments": 'and": "ls"}'}}),
            CALLED,
        ],
        [LS],
        "tool_use",
    ),
    (
        "U13 sglang#40236, opensquilla#985",
        [text(f"<｜DSML｜tool_calls>\n{DSML}\n</｜DSML｜tool_calls>"), finish("stop")],
        [LS],
        "tool_use",
    ),
    (
        "U13 aiope#119, behind text",
        [
            text(f"Hello there\n\n<｜DSML｜function_calls>\n{DSML}\n</｜DSML｜function_calls>"),
            finish("stop"),
        ],
        [{"text": "Hello there\n\n"}, LS],
        "tool_use",
    ),
    (
        "U13 vllm#48931, without what is required",
        [text('<｜DSML｜invoke name="Bash">\n</｜DSML｜invoke>'), finish("stop")],
        [{"text": '<｜DSML｜invoke name="Bash">\n</｜DSML｜invoke>'}],
        "end_turn",
    ),
    (
        "U14 MiniMax-M2.5#10, pi#368",
        [text(f"<minimax:tool_call>\n{INVOKE}\n</minimax:tool_call>"), finish("stop")],
        [LS],
        "tool_use",
    ),
    (
        "U14 claude-code#63870",
        [text(f"<function_calls>\n{INVOKE}\n</function_calls>"), finish("stop")],
        [LS],
        "tool_use",
    ),
    ("U14 TensorRT-LLM#9256", [text(HARMONY), finish("stop")], [HM, LS], "tool_use"),
    (
        "U14 macprovider#743",
        document(
            content="<|channel|>analysis<|message|>Hm.<|end|><|channel|>final<|message|>Hello there"
        ),
        [HM, HELLO],
        "end_turn",
    ),
    *(
        (f"U15 {source}", [calls(fragment(name, index=0, id="a")), CALLED], [LS], "tool_use")
        for source, name in (
            ("vllm#32587, PR#35906", "Bash<|channel|>commentary"),
            ("movieclaw PR#224", "functions.Bash<|constrain|>json"),
            ("Kimi's id as a name", "functions.Bash:0"),
            ("blanks", " Bash\n"),
        )
    ),
    (
        "U16 kimi-cli#2406, openclacky PR#453",
        [calls(fragment("TodoWrite", '{"todos": "[{\\"a\\": 1}]", "note": "[1]"}')), CALLED],
        [{"name": "TodoWrite", "input": {"todos": [{"a": 1}], "note": "[1]"}}],
        "tool_use",
    ),
    (
        "U16 a whole document that is text",
        document("tool_calls", tool_calls=[fragment(arguments='"{\\"command\\": \\"ls\\"}"')]),
        [LS],
        "tool_use",
    ),
    (
        "U17 9router PR#2231, oh-my-pi#2433",
        [text("<think>\nHm."), text("</thi"), text("nk>\n\nHello there"), finish("stop")],
        [{"thinking": "\nHm."}, HELLO],
        "end_turn",
    ),
    (
        "U17 mlx-openai-server#179, twice",
        [reasoning("Hm."), text("<think>Hm.</think>Hello there"), finish("stop")],
        [HM, HELLO],
        "end_turn",
    ),
    (
        "U17 hermes-agent#96735, a closing tag behind the field",
        [reasoning("Hm."), text("</think>\n\nHello there"), finish("stop")],
        [HM, HELLO],
        "end_turn",
    ),
    *(
        (f"U19 {source}", document(**message), [HM, HELLO], "end_turn")
        for source, message in (
            (
                "chatlas#392, ellmer#822",
                {
                    "content": [
                        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
                        {"type": "text", "text": "Hello there"},
                    ]
                },
            ),
            ("copilot-api PR#238", FULL | {"reasoning_text": "Hm."}),
            ("a field named thinking", FULL | {"thinking": "Hm."}),
            ("an object", FULL | {"reasoning_content": {"text": "Hm."}}),
            ("a list of texts", {"content": ["Hello ", "there"], "reasoning": "Hm."}),
            (
                "one object",
                {"content": {"type": "output_text", "text": "Hello there"}, "reasoning": "Hm."},
            ),
        )
    ),
    (
        "U35 carriage returns, comments, no blank",
        [
            "data:" + '{"choices":[{"delta":{"content":"Hello there"}}]}\r\n\r\n: x\r\n',
            finish("stop"),
        ],
        [HELLO],
        "end_turn",
    ),
]


@BOTH
@pytest.mark.parametrize(
    ("reply", "content", "stop_reason"), [m[1:] for m in MESSAGES], ids=[m[0] for m in MESSAGES]
)
async def test_answer_holds_what_the_backend_meant(
    engine: Gateway,
    backend: FakeBackend,
    stream: bool,
    reply: Steps | Json,
    content: list[Json],
    stop_reason: str,
) -> None:
    """U15, U19: whichever way the backend answers, and whichever way the client asked."""
    with_main(engine, models=facts(THINKER))
    script = backend.on(THINKER)
    script.json(reply) if isinstance(reply, dict) else script.stream(*reply)
    answer = await send(engine, model=THINKER, stream=stream, tools=TOOLS)
    message = message_of(answer)
    assert blocks_of(message) == content
    assert message["stop_reason"] == stop_reason


LOST = 'data: {"choices": [{"delta": {"tool_calls": [{"index": 0, "func\n\n'
FLAT = 'data: {"code": 500, "message": "upstream connect error"}\n\n'
BUSY = {"error": {"message": "try later", "type": "overloaded_error", "code": None}}
ERRORS: list[tuple[str, Steps | Json, str, str]] = [
    (
        "U8 opencode#18813 network_error",
        [text("half"), finish("network_error")],
        "overloaded_error",
        "",
    ),
    ("U8 a flat error behind text", [text("half"), FLAT], "api_error", "upstream connect error"),
    (
        "U9 a chunk lost inside a call",
        [call(0, "a", "Bash", '{"command":"rm -rf /srv/app'), LOST, arguments(0, '"}'), CALLED],
        "api_error",
        "unreadable chunk inside a tool call",
    ),
    (
        "U18 lobehub PR#10255, no money",
        {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        "billing_error",
        "insufficient balance",
    ),
    (
        "U18 too fast",
        {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}},
        "rate_limit_error",
        "rate limit",
    ),
    (
        "U18 too long",
        {"base_resp": {"status_code": 2013, "status_msg": "context window exceeds limit (2013)"}},
        "invalid_request_error",
        "prompt is too long: ",
    ),
    (
        "U18 a code of Z.ai",
        {"code": 1113, "msg": "余额不足或无可用资源包"},
        "billing_error",
        "余额不足",
    ),
    (
        "U18 an event of DashScope",
        [
            'event:error\ndata:{"code":"InvalidParameter","message":'
            '"Range of input length should be [1, 6000]"}\n\n'
        ],
        "invalid_request_error",
        "prompt is too long: 6001 tokens > 6000 maximum",
    ),
    (
        "U19 content that nobody can read",
        document(content=[{"type": "audio_part", "blob": "AAAA"}]),
        "api_error",
        "form that is not known",
    ),
    ("U26 a type and no code", BUSY, "overloaded_error", "try later"),
    (
        "U26 a type in a stream",
        ['data: {"error": {"message": "slow", "type": "rate_limit_error", "code": null}}\n\n'],
        "rate_limit_error",
        "slow",
    ),
    (
        "U35 lines of JSON",
        ['{"choices": [{"delta": {"content": "a"}}]}\n{"choices": []}\n'],
        "api_error",
        "",
    ),
]


@BOTH
@pytest.mark.parametrize(
    ("reply", "kind", "words"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS]
)
async def test_answer_that_failed_is_an_error(
    engine: Gateway, backend: FakeBackend, stream: bool, reply: Steps | Json, kind: str, words: str
) -> None:
    """Before the first token and after it: never a success, and the cause is named."""
    script = backend.on(ALPHA)
    script.json(reply) if isinstance(reply, dict) else script.stream(*reply)
    message = message_of(await send(engine, stream=stream, tools=TOOLS))
    assert message["type"] == "error"
    assert message["error"]["type"] == kind
    assert words in message["error"]["message"]


@BOTH
async def test_unfinished_answer_of_one_delta_is_no_success(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """U8: a stream that only breaks off is an error, too."""
    backend.on(ALPHA).stream(delta(content="half"), done=False)
    assert message_of(await send(engine, stream=stream))["type"] == "error"
