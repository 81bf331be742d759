"""A judge model behind real servers: what clients get, what the ledger has, what is kept."""

import json
from collections.abc import Iterator
from types import MappingProxyType

import pytest

from tests.conftest import starting
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json, call, finish, role, usage
from tests.fakes.client import Headers, Response
from tests.fakes.gateway import Gateway
from tests.fakes.issuing import issue
from tests.fakes.judge import asks, spoken, verdicts
from tests.fakes.replies import Gate
from tests.grammar import check_stream, parse_sse

JUDGE = "test/beta"
TARGETS = [{"backend": "main", "model": ALPHA}]
ALIASES: list[Json] = [
    {"pattern": "judged", "targets": TARGETS, "safeguards": f"judge: {JUDGE}"},
    {"pattern": "lost", "targets": TARGETS, "safeguards": "judge: no/such"},
]
TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]
PRIVATE = ("zebra-4711", "okapi-8822", "quagga-3344", "tapir-5566")
COMMAND, PROMPT, CONTEXT, REASON = (f"about {word}" for word in PRIVATE)
BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def judged(
    request: pytest.FixtureRequest,
    session_backend: FakeBackend,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start(request.param, PING_INTERVAL="0.2", JUDGE_SECONDS="10")
        gateway.configure(aliases=ALIASES)
        yield gateway


@pytest.fixture(scope="module")
def sampled(judged: Gateway) -> str:
    """A key of which every request is kept."""
    return issue(judged, sampled={"sample_percent": 100})["sampled"]


def ask(
    gateway: Gateway, streamed: bool, model: str = "judged", headers: Headers = MappingProxyType({})
) -> Response:
    context = {"v": 1, "live_cwd": CONTEXT, "rules": {"allow": []}}
    return gateway.client.messages(
        headers, text=PROMPT, model=model, stream=streamed, tools=TOOLS, safeguards=asks(context)
    )


def script(backend: FakeBackend, *, judges: bool = True) -> None:
    made = call(0, "call_0", "Bash", json.dumps({"command": COMMAND}))
    flagged = {"outcome": "flagged", "rule": "destruction", "explanation": REASON}
    backend.on(ALPHA).answer(role(), made, finish("tool_calls"), usage(50, 9))
    if judges:
        backend.on(JUDGE).each(verdicts(flagged))


def results(response: Response, streamed: bool) -> Json:
    assert response.status == 200
    holder: Json = response.json if not streamed else {}
    if streamed:
        events = parse_sse(response.body)
        check_stream(events)
        holder = next(e.data["delta"] for e in events if e.data["type"] == "message_delta")
    (result,) = holder["safeguard_results"]
    status: Json = result["status"]
    return status


@BOTH
def test_verdict_comes_at_the_end_of_the_answer(
    judged: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """H12: on every server."""
    script(backend)
    verdict = {"type": "evaluated", "outcome": "flagged", "explanation": REASON}
    expected = {"type": "available", "tool_uses": {"call_0": verdict}}
    assert results(ask(judged, streamed), streamed) == expected


def test_client_gets_pings_while_the_judge_thinks(judged: Gateway, backend: FakeBackend) -> None:
    """H12: on every server, behind the calls and in front of the end."""
    gate = Gate()
    backend.on(JUDGE).stream(*spoken("{}"), before=gate)
    script(backend)
    asked: Json = {"model": "judged", "tools": TOOLS, "safeguards": asks()}
    with judged.client.stream(text=PROMPT, **asked) as stream:
        stream.events_until("content_block_stop")
        assert [stream.next_event().name for _ in range(2)] == ["ping", "ping"]
        gate.open()
        assert stream.message()["stop_reason"] == "tool_use"


@BOTH
def test_judge_that_nothing_knows_leaves_the_check_to_the_client(
    judged: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    script(backend)
    failed = {"type": "unavailable", "reason": "error"}
    expected = {"type": "available", "tool_uses": {"call_0": failed}}
    assert results(ask(judged, streamed, "lost"), streamed) == expected


@BOTH
def test_nothing_of_what_was_judged_is_kept(
    judged: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """H15: neither in rows nor in the log nor in the spool."""
    script(backend)
    request_id = ask(judged, streamed).headers["request-id"]
    books.until(lambda: of_request(judged, request_id), bool, judged)
    books.check(judged)
    assert b"destruction" in everything(judged), "the verdict is not on record"
    assert kept_words(judged) == []


@BOTH
def test_judges_are_a_class_of_their_own_and_serve_the_same_prompt(
    judged: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """What verdicts cost is in no other class, and in what the user's prompt led to."""
    script(backend)
    hints = {"session-id": "s1", "agent-id": "a1", "prompt-id": "p1", "request-class": "subagent"}
    headers = {f"x-claude-code-{name}": value for name, value in hints.items()}
    request_id = ask(judged, streamed, headers=headers).headers["request-id"]
    (row,) = books.until(lambda: of_request(judged, request_id), bool, judged)
    members = ("request_class", "session", "agent_id", "prompt_id")
    assert [row[name] for name in members] == ["judge", "s1", "a1", "p1"]


@BOTH
@pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
def test_judge_that_quotes_its_request_in_an_error_leaves_no_word(
    judged: Gateway, backend: FakeBackend, streamed: bool, status: int
) -> None:
    """H15: backends quote what they were sent; logs and rows of a judge do not."""
    script(backend, judges=False)
    words = " ".join(PRIVATE)
    backend.on(JUDGE).error(status, f"context length exceeded near {words}: max_tokens")
    request_id = ask(judged, streamed).headers["request-id"]
    (row,) = books.until(lambda: of_request(judged, request_id), bool, judged)
    assert row["status"] >= 400
    assert kept_words(judged) == []


@BOTH
def test_judge_that_fails_in_its_answer_leaves_no_word(
    judged: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """H15: the same for an error inside a good status."""
    script(backend, judges=False)
    backend.on(JUDGE).json({"error": {"message": " ".join(PRIVATE), "code": 500}})
    request_id = ask(judged, streamed).headers["request-id"]
    books.until(lambda: of_request(judged, request_id), bool, judged)
    assert kept_words(judged) == []


SAMPLED = {"prompt": "gnu-1201", "context": "kudu-3402", "command": "oryx-5603"}
UNSAMPLED = "nyala-7804"


@BOTH
def test_sample_of_a_request_holds_no_word_of_its_judge(
    judged: Gateway, sampled: str, backend: FakeBackend, streamed: bool
) -> None:
    """H15: what samples of a key keep is its client's own request and answer, in that record
    alone; the judge's prompt, which has the same words, and its reasons are kept nowhere."""
    made = call(0, "call_0", "Bash", json.dumps({"command": SAMPLED["command"]}))
    flagged = {"outcome": "flagged", "rule": "destruction", "explanation": UNSAMPLED}
    backend.on(ALPHA).answer(role(), made, finish("tool_calls"), usage(50, 9))
    backend.on(JUDGE).each(verdicts(flagged))
    asked = asks({"v": 1, "live_cwd": SAMPLED["context"]})
    answer = judged.with_key(sampled).messages(
        text=SAMPLED["prompt"], model="judged", stream=streamed, tools=TOOLS, safeguards=asked
    )
    verdict = results(answer, streamed)["tool_uses"]["call_0"]
    assert (verdict["outcome"], verdict["explanation"]) == ("flagged", UNSAMPLED)
    request_id = answer.headers["request-id"]
    (judge,) = books.until(lambda: of_request(judged, request_id), bool, judged)
    rows = {row["request_id"]: row for row in books.rows(judged)}
    sample = json.dumps(rows[request_id].pop("sample"))
    assert [word for word in SAMPLED.values() if word not in sample] == []
    assert "sample" not in judge
    elsewhere = json.dumps([row for row in rows.values() if "sample" not in row]) + judged.log
    assert [word for word in SAMPLED.values() if word in elsewhere] == []
    assert UNSAMPLED.encode() not in everything(judged)


def everything(gateway: Gateway) -> bytes:
    """All files that a gateway writes: database, spool and log."""
    files = sorted(gateway.log_path.parent.rglob("*"))
    return b"".join(path.read_bytes() for path in files if path.is_file())


def kept_words(gateway: Gateway) -> list[str]:
    kept = everything(gateway)
    return [word for word in PRIVATE if word.encode() in kept]


def of_request(gateway: Gateway, request_id: str) -> list[Json]:
    """The rows of a request's judges, once its own is there too."""
    rows = books.rows(gateway)
    known = any(row["request_id"] == request_id for row in rows)
    return [row for row in rows if known and row["parent_id"] == request_id]
