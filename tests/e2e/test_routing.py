"""Each kind of request reaches a model of its own, streamed and plain, and its row says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import starting
from tests.fakes import books
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import Json, finish, role, text, usage
from tests.fakes.client import Response
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Call
from tests.shapes import check_error

SESSION = {"x-claude-code-session-id": "7d0f3c52-5a0e-4d0b-9a54-0c1f5c8f7a11"}
TOOLS = [{"name": "Bash", "description": "Runs a command. " * 2000, "input_schema": {}}]
"""8,000 tokens: a request of this size is no side call."""
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
MODELS: dict[str, Json] = {
    "finder": {},
    "cheap": {},
    "summariser": {"max_model_len": 1_000_000},
    "seer": {},
    "huge": {"max_model_len": 1_000_000},
    "usual": {"max_model_len": 16_384},
    "spare": {"max_model_len": 65_536},
}
TARGETS: list[Json] = [
    {"model": "finder", "agent_types": ["Explore"]},
    {"model": "cheap", "classes": ["subagent", "workflow", "auxiliary"]},
    {"model": "summariser", "classes": ["compaction"]},
    {"model": "seer", "has_image": True},
    {"model": "huge", "prompt_above": 50_000},
    {"model": "usual"},
    {"model": "spare"},
]


def alias(pattern: str, *targets: Json) -> Json:
    """An alias whose targets are asked in this order."""
    placed = ({"backend": "main", "position": n} | target for n, target in enumerate(targets))
    return {"pattern": pattern, "targets": list(placed)}


ALIASES = [
    alias("claude-*", *TARGETS),
    alias("narrow", {"model": "usual"}),
    alias("side-calls", {"model": "cheap", "classes": ["auxiliary"]}),
    alias("even", {"model": "usual", "position": 0}, {"model": "spare", "position": 0}),
]


def hints(**values: str) -> dict[str, str]:
    named = {f"x-claude-code-{name.replace('_', '-')}": text for name, text in values.items()}
    return SESSION | named


def prompt(tokens: int, *blocks: Json) -> Json:
    text = {"type": "text", "text": "word " * (tokens * 4 // 5)}
    return {"messages": [{"role": "user", "content": [text, *blocks]}], "tools": TOOLS}


IMAGE: Json = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
}
LONG, TOO_LONG = 60_000, 200_000


@dataclass(frozen=True)
class Case:
    """A request, and what its row must say: class, and model or status."""

    headers: dict[str, str]
    body: Json
    request_class: str
    model: str = ""
    status: int = 200


CASES: dict[str, Case] = {
    "W1 sub-agent": Case(
        hints(request_class="subagent", agent_type="Plan", agent_id="a1"),
        prompt(10), "subagent", "cheap",
    ),
    "W1 sub-agent without hints": Case(hints(agent_id="a1"), prompt(10), "subagent", "cheap"),
    "W1 sub-agent of a type": Case(
        hints(request_class="subagent", agent_type="explore", agent_id="a1"),
        prompt(10), "subagent", "finder",
    ),
    "W1 workflow": Case(hints(request_class="workflow"), prompt(10), "workflow", "cheap"),
    "W2 title": Case(hints(request_class="auxiliary"), prompt(10), "auxiliary", "cheap"),
    "W2 title without hints": Case(SESSION, {}, "auxiliary", "cheap"),
    "W3 compaction": Case(
        hints(request_class="compaction", compaction="auto"), prompt(10), "compaction", "summariser"
    ),
    "W3 compaction without its class": Case(
        hints(compaction="auto"), prompt(10), "compaction", "summariser"
    ),
    "W3 compaction without hints": Case(SESSION, prompt(10), "main", "usual"),
    "W4 image": Case(hints(request_class="main"), prompt(10, IMAGE), "main", "seer"),
    "W4 image without hints": Case(SESSION, prompt(10, IMAGE), "main", "seer"),
    "W4 image of a sub-agent": Case(
        hints(request_class="subagent"), prompt(10, IMAGE), "subagent", "cheap"
    ),
    "W4 image in a long prompt": Case(SESSION, prompt(LONG, IMAGE), "main", "seer"),
    "W5 long prompt": Case(hints(request_class="main"), prompt(LONG), "main", "huge"),
    "W5 prompt that is not long enough": Case(SESSION, prompt(30_000), "main", "spare"),
    "W5 long prompt without hints": Case(SESSION, prompt(LONG), "main", "huge"),
    "W5 long prompt of another client": Case({}, prompt(LONG), "", "huge"),
    "W5 long prompt of a sub-agent": Case(
        hints(request_class="subagent"), prompt(LONG), "subagent", "cheap"
    ),
    "W6 conversation": Case(hints(request_class="main"), prompt(10), "main", "usual"),
    "W6 another client": Case({}, prompt(10), "", "usual"),
    "W6 newer class": Case(hints(request_class="newer"), prompt(10), "newer", "usual"),
    "W6 class that no target takes": Case(
        hints(request_class="main"), {**prompt(10), "model": "side-calls"}, "main", status=404
    ),
    "W7 prompt that does not fit": Case(SESSION, prompt(12_000), "main", "spare"),
    "W8 prompt that fits no window": Case(
        SESSION, {**prompt(TOO_LONG), "model": "narrow"}, "main", status=400
    ),
}  # fmt: skip


def measured(call: Call) -> tuple[Json, ...]:
    """The usual answer, with a prompt of as many tokens as the gateway expects of its bytes."""
    return role(), text("Hello"), finish("stop"), usage(len(call.raw) // 4, 2)


BOTH = pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])


@dataclass(frozen=True)
class Sent:
    """One case as it went: the answer, the model that the backend was asked for, and the row."""

    answer: Response
    called: list[str]
    row: books.Row


@pytest.fixture(scope="module")
def router(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway that has asked for nothing yet. Its backend lists the models of this module."""
    session_backend.reset()
    session_backend.list_models(**MODELS)
    for model in MODELS:
        session_backend.on(model).each(measured)
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start("serve")
        gateway.configure(aliases=ALIASES)
        session_backend.requests.clear()
        yield gateway
    session_backend.reset()


@pytest.fixture(scope="module")
def sent(router: Gateway, session_backend: FakeBackend) -> dict[tuple[str, bool], Sent]:
    """Every case in both modes, one after the other."""
    went = []
    for name, case in CASES.items():
        for streams in (False, True):
            body = {"model": "claude-x", "max_tokens": 32_000, **case.body}
            before = len(session_backend.calls)
            answer = router.client.messages(case.headers, **body, stream=streams)
            called = [call.model for call in session_backend.calls[before:]]
            went.append(((name, streams), answer, called))
    rows = books.wait_for_rows(router, len(went))
    books.check(router)
    return {
        key: Sent(answer, called, row)
        for (key, answer, called), row in zip(went, rows, strict=True)
    }


Went = dict[tuple[str, bool], Sent]


@BOTH
@pytest.mark.parametrize("name", CASES)
def test_request_goes_to_its_own_target(sent: Went, name: str, streams: bool) -> None:
    case, went = CASES[name], sent[(name, streams)]
    assert went.called == ([case.model] if case.model else [])
    assert went.answer.status == case.status
    if case.status == 200:
        message = went.answer.message if streams else went.answer.json
        assert message["content"] == [{"type": "text", "text": "Hello"}]
        assert message["model"] == "claude-x"
    else:
        check_error(went.answer.json)


@BOTH
@pytest.mark.parametrize("name", CASES)
def test_row_has_the_class_and_the_model(sent: Went, name: str, streams: bool) -> None:
    """W10: what each kind of request costs can be added up by both."""
    case, row = CASES[name], sent[(name, streams)].row
    told = {member: row[member] for member in ("request_class", "model", "status", "streamed")}
    assert told == {
        "request_class": case.request_class,
        "model": case.model,
        "status": case.status,
        "streamed": streams,
    }


@BOTH
def test_row_says_which_targets_were_passed_over(sent: Went, streams: bool) -> None:
    """W10."""
    route = sent[("W7 prompt that does not fit", streams)].row["route"]
    assert route[0] == "alias claude-* fits"
    assert "leaves out main: finder, which is only for agent type Explore" in route
    assert "leaves out main: seer, which is only for an image" in route
    (small,) = (step for step in route if step.startswith("leaves out main: usual: about "))
    assert small.endswith("tokens and 8,192 for the answer exceed its window of 16,384")
    assert route[-1] == "goes to main: spare"


@BOTH
def test_overflow_is_one_on_which_claude_code_compacts(sent: Went, streams: bool) -> None:
    """W8: nothing was sent to the backend, and the numbers are those of the window."""
    error = sent[("W8 prompt that fits no window", streams)].answer.json["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith("prompt is too long: ")
    assert "> 16384 maximum" in error["message"]


@BOTH
def test_request_that_no_target_takes_is_told_so(sent: Went, streams: bool) -> None:
    """W6."""
    error = sent[("W6 class that no target takes", streams)].answer.json["error"]
    assert error["type"] == "not_found_error"
    assert error["message"] == (
        "model: side-calls has no target that takes a request like this one"
    )


@pytest.mark.usefixtures("sent")
def test_window_that_the_list_of_models_names(router: Gateway) -> None:
    """W11: of `usual`, `spare` and `huge`, which take conversations; not of `summariser` alone."""
    narrow = router.client.get("/v1/models/narrow").json
    assert narrow["max_input_tokens"] == 16_384
    assert router.client.get("/v1/models/claude-x").json["max_input_tokens"] == 1_000_000
    assert router.client.get("/v1/models/even").json["max_input_tokens"] == 65_536


@BOTH
@pytest.mark.usefixtures("sent")
def test_session_keeps_its_target_until_it_is_compacted(
    router: Gateway, session_backend: FakeBackend, streams: bool
) -> None:
    """W9: by weight like a new session from then on, and it stays there."""

    def served(session: str, **named: str) -> str:
        headers = hints(request_class="main", **named) | {"x-claude-code-session-id": session}
        answer = router.client.messages(headers, model="even", stream=streams)
        assert answer.status == 200
        return session_backend.calls[-1].model

    moved = 0
    for number in range(12):
        session = f"{streams}-{number}"
        first = served(session)
        assert served(session) == first
        after = served(session, context_compacted="auto")
        assert [served(session) for _ in range(2)] == [after, after]
        moved += first != after
    assert 0 < moved < 12
