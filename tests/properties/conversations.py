"""Requests as clients send them: every kind of block, tool and field, in any combination.

`requests()` is valid and within what every backend family takes. Every text in it that a model is
meant to read carries a word of its own (``w1w``, ``w2w``, ...), so that none can vanish unseen.
"""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from tests.properties.values import OBJECTS, TEXT
from tests.shapes import Json
from tests.translation.asking import PNG

WORD = re.compile(r"w\d+w")
HIDDEN = "DeferredToolPlaceholder"
TOOL_NAMES = ["Bash", "bash", "mcp__x.y__z", "n" * 130, "é", "Read", HIDDEN]
IDS = st.sampled_from(["t1", "t1", "t1", "t2", "t2", "t3", "", "x" * 60, "functions.Bash:0"])
CACHED = {"cache_control": st.just({"type": "ephemeral"})}


def _block(kind: str, optional: Any = None, **members: Any) -> st.SearchStrategy[Json]:
    fields = {k: v if isinstance(v, st.SearchStrategy) else st.just(v) for k, v in members.items()}
    return st.fixed_dictionaries({"type": st.just(kind), **fields}, optional=optional or {})


MARKED = TEXT.map(lambda text: text + "%w")
TEXTS = _block("text", CACHED, text=MARKED)
IMAGES = _block(
    "image",
    CACHED,
    source=st.sampled_from(
        [
            {"type": "base64", "media_type": "image/png", "data": PNG},
            {"type": "base64", "data": "R0lGODlhAQABAAAAACw="},
        ]
    ),
)
DOCUMENTS = _block(
    "document",
    {"title": MARKED, "context": MARKED},
    source=st.one_of(
        st.fixed_dictionaries({"type": st.just("text"), "data": MARKED}),
        st.fixed_dictionaries({"type": st.just("content"), "content": st.lists(TEXTS, max_size=2)}),
    ),
)
SEARCHES = _block("search_result", source="s", title="t", content=st.lists(TEXTS, max_size=2))
REFERENCES = _block("tool_reference", tool_name=st.sampled_from(TOOL_NAMES[:-1]))
RESULTS = _block(
    "tool_result",
    {
        **CACHED,
        "is_error": st.booleans(),
        "content": st.one_of(
            MARKED, st.lists(st.one_of(TEXTS, IMAGES, DOCUMENTS, REFERENCES), max_size=3)
        ),
    },
    tool_use_id=IDS,
)
THINKING = _block("thinking", thinking=TEXT, signature="gw1.x")
USES = _block("tool_use", CACHED, id=IDS, name=st.sampled_from(TOOL_NAMES[:4]), input=OBJECTS)
_SERVER_SIDE: list[Json] = [
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "%w"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "s",
        "content": [{"type": "web_search_result", "title": "%w", "url": "http://x"}],
    },
    {"type": "redacted_thinking", "data": "x"},
    {"type": "compaction", "content": "%w"},
    {"type": "a_future_block", "told": "%w"},
]
USER = st.one_of(TEXTS, TEXTS, RESULTS, RESULTS, IMAGES, DOCUMENTS, SEARCHES)
ASSISTANT = st.one_of(TEXTS, USES, USES, THINKING, st.sampled_from(_SERVER_SIDE))


def _message(role: str, block: st.SearchStrategy[Json], **more: Any) -> st.SearchStrategy[Json]:
    content = st.one_of(MARKED, st.lists(block, min_size=1, max_size=4))
    return st.fixed_dictionaries({"role": st.just(role), "content": content}, optional=more)


SPOKEN = st.one_of(
    _message("user", USER),
    _message("assistant", ASSISTANT),
    _message("system", TEXTS, output_config=st.just({"effort": "low"})),
).map(lambda message: [message])
EXCHANGES = st.builds(
    lambda calls, results: [
        {"role": "assistant", "content": calls},
        {"role": "user", "content": results},
    ],
    st.lists(st.one_of(USES, USES, TEXTS, THINKING), min_size=1, max_size=3),
    st.lists(st.one_of(RESULTS, RESULTS, TEXTS, IMAGES), min_size=1, max_size=3),
)
MESSAGES = st.lists(st.one_of(SPOKEN, EXCHANGES), min_size=1, max_size=4).map(
    lambda groups: [message for group in groups for message in group]
)
_SCHEMAS: list[Json] = [
    {"type": "object", "properties": {"a": {"type": "string", "default": None}}},
    {"type": "object", "properties": {"pattern": {"pattern": "^a$", "maxLength": 5000}}},
    {"properties": {}},
    {},
]
_BUILT_IN: list[Json] = [
    {"type": "bash_20250124", "name": "bash"},
    {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
    {"type": "memory_20250818", "name": "memory"},
    {"type": "computer_20250124", "name": "computer", "display_width_px": 9},
]
TOOLS: st.SearchStrategy[list[Json]] = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"name": st.sampled_from(TOOL_NAMES), "input_schema": st.sampled_from(_SCHEMAS)},
            optional={
                "description": TEXT,
                "defer_loading": st.booleans(),
                "strict": st.booleans(),
                "input_examples": st.just([{"a": 1}]),
                **CACHED,
            },
        ),
        st.sampled_from(_BUILT_IN),
    ),
    max_size=4,
    unique_by=lambda tool: str(tool["name"]),
)
SEARCH = {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "system": st.one_of(MARKED, st.lists(TEXTS, max_size=2)),
    "thinking": st.sampled_from(
        [{"type": "enabled", "budget_tokens": 2048}, {"type": "adaptive"}, {"type": "disabled"}]
    ),
    "output_config": st.sampled_from(
        [
            {"effort": "max"},
            {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        ]
    ),
    "temperature": st.sampled_from([0, 0.5, 1, 7]),
    "top_p": st.just(0.9),
    "top_k": st.sampled_from([0, 40]),
    "stop_sequences": st.lists(TEXT, max_size=6),
    "stream": st.booleans(),
    "metadata": st.just({"user_id": "u"}),
    "service_tier": st.just("auto"),
    "context_management": st.just({"edits": []}),
    "container": st.none(),
    "mcp_servers": st.just([]),
}
CHOICES = st.sampled_from(
    [
        *(None, None, {"type": "auto"}, {"type": "any"}, {"type": "none"}),
        {"type": "auto", "disable_parallel_tool_use": True},
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> Json:
    """A valid body whose texts are marked."""
    needed = {"model": st.just("claude-x"), "max_tokens": st.integers(1, 9999)}
    body: Json = draw(st.fixed_dictionaries({**needed, "messages": MESSAGES}, optional=OPTIONS))
    if tools := draw(st.one_of(st.just([]), TOOLS)):
        name = tools[0]["name"]
        named = {"type": "tool", "name": name}
        if choice := draw(st.one_of(CHOICES, st.just(None if name == HIDDEN else named))):
            body["tool_choice"] = choice
        body["tools"] = [*tools, *draw(st.sampled_from([[], [SEARCH]]))]
    marked: Json = _marked(body, iter(range(10_000)))
    return marked


def _marked(value: Any, numbers: Any) -> Any:
    """The value with a word of its own at every mark."""
    if isinstance(value, str):
        return re.sub("%w", lambda _: f"w{next(numbers)}w", value)
    if isinstance(value, list):
        return [_marked(item, numbers) for item in value]
    if isinstance(value, dict):
        return {key: _marked(item, numbers) for key, item in value.items()}
    return value
