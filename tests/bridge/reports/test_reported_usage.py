"""Token counts that were lost, or were somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.runtime.gateway import Gateway
from tests.bridge.reports.playing import BOTH, message_of
from tests.bridge.roads import send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, text, usage
from tests.shapes import Json

Steps = list[Json | str]


def last(**members: Any) -> Json:
    return {"choices": [{"index": 0, "finish_reason": "stop", **members}]}


def document(**message: Any) -> Json:
    return {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}


REPORT = {"prompt_tokens": 50, "completion_tokens": 7}
PLAIN_USAGE = {"input_tokens": 50, "output_tokens": 7, "cache_read_input_tokens": 0}
WRITTEN = {"input_tokens": 20, "output_tokens": 7, "cache_creation_input_tokens": 30}
COUNTS: list[tuple[str, Steps | Json, Json]] = [
    ("U20 pi#2017, inside the choice", [text("a"), last(delta={}, usage=REPORT)], PLAIN_USAGE),
    (
        "U20 Groq's own member",
        [text("a"), finish("stop") | {"x_groq": {"usage": REPORT}}],
        PLAIN_USAGE,
    ),
    (
        "U20 zeros behind the report",
        [text("a"), finish("stop"), usage(50, 7), usage(0, 0)],
        PLAIN_USAGE,
    ),
    (
        "U20 a report on every chunk",
        [
            text("a") | {"usage": {"prompt_tokens": 50, "completion_tokens": 1}},
            finish("stop") | {"usage": REPORT},
        ],
        PLAIN_USAGE,
    ),
    *(
        (f"U20 {source}", document(content="a") | {"usage": REPORT | members}, WRITTEN)
        for source, members in (
            ("DashScope", {"prompt_tokens_details": {"cache_creation_input_tokens": 30}}),
            ("a LiteLLM proxy", {"prompt_tokens_details": {"cache_creation_tokens": 30}}),
            ("beside the details", {"cache_creation_input_tokens": 30}),
        )
    ),
]


@BOTH
@pytest.mark.parametrize(("reply", "counts"), [c[1:] for c in COUNTS], ids=[c[0] for c in COUNTS])
async def test_usage_is_found_wherever_it_stands(
    engine: Gateway, backend: FakeBackend, stream: bool, reply: Steps | Json, counts: Json
) -> None:
    """Estimates stand in only where nothing was reported."""
    script = backend.on(ALPHA)
    script.stream(*reply) if isinstance(reply, list) else script.json(reply)
    message = message_of(await send(engine, stream=stream))
    assert counts.items() <= message["usage"].items()
