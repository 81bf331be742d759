"""From a checked request to an order: what is sent, where, as whom. Ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.keys.authentication import Caller
from bridge.relay.attempt import UpstreamRequest
from bridge.relay.prepare import RoutedRequest, route_request, upstream_request
from bridge.routing.types import Alias, BackendConfig, WeightedTarget
from bridge.runtime.gateway import Gateway
from bridge.translation.errors.api_error import ApiError
from bridge.translation.profiles import PROFILES
from bridge.translation.request.overrides import Overrides
from tests.bridge.making import BETA, SECRET, a_request, facts
from tests.bridge.pairs import change, with_main
from tests.bridge.roads import configure
from tests.fakes.backend import ALPHA, FakeBackend

CALLER = Caller("f1", secret=SECRET)
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {}}}


def routed(
    engine: Gateway, caller: Caller = CALLER, session: str = "", **fields: Any
) -> RoutedRequest:
    return route_request(engine.relay, a_request(**fields), caller, "req_1", session)


async def outgoing(engine: Gateway, **fields: Any) -> UpstreamRequest:
    """The order for the first target."""
    made = routed(engine, **fields)
    return await upstream_request(engine.relay, made, made.route.targets[0])


def main_of(engine: Gateway) -> BackendConfig:
    return engine.snapshot.routes.backends[0]


# --- plans -------------------------------------------------------------------------------------


async def test_plan_holds_the_request_as_the_operator_wants_it(engine: Gateway) -> None:
    """The model stays as the client named it: replies carry that name."""
    said = Overrides("", 0.5, 20, "P")
    change(engine, aliases=(Alias("fast", (WeightedTarget("main", BETA),), said),))
    made = routed(engine, model="fast", temperature=1)
    assert (made.request.model, made.request.max_tokens) == ("fast", 20)
    assert (made.request.system, made.request.body["temperature"]) == (("P",), 0.5)
    found = await upstream_request(engine.relay, made, made.route.targets[0])
    assert found.chat.body["model"] == BETA
    assert found.chat.body["messages"][0] == {"role": "system", "content": "P"}
    assert (found.error_context.max_tokens, found.options.max_tokens, found.options.model) == (
        20,
        20,
        "fast",
    )


async def test_name_that_nothing_fits_makes_no_plan(engine: Gateway) -> None:
    with pytest.raises(ApiError) as caught:
        routed(engine, model="nobody/knows")
    assert caught.value.status == 404


async def test_session_or_else_the_key_says_where_it_sticks(pair: Gateway) -> None:
    """wire A2: two sessions of one key may be served apart, one session of two keys may not."""
    both = [replace(b, position=0) for b in pair.snapshot.routes.backends]
    change(pair, backends=tuple(both))
    others = [Caller(f"f{i}", secret=SECRET) for i in range(20)]

    def first(caller: Caller, session: str) -> str:
        return routed(pair, caller, session).route.targets[0].backend.name

    assert {first(CALLER, f"s{i}") for i in range(20)} == {"main", "spare"}
    assert len({first(caller, "s1") for caller in others}) == 1
    assert {first(caller, "") for caller in others} == {"main", "spare"}


async def test_message_has_one_id_wherever_it_comes_from(pair: Gateway) -> None:
    """A reply that has begun is finished by the next target under the same id."""
    made = routed(pair)
    outgoings = [await upstream_request(pair.relay, made, target) for target in made.route.targets]
    assert len(outgoings) == 2
    assert len({found.options.message_id for found in outgoings}) == 1


# --- what an operator said of a model ----------------------------------------------------------


@pytest.mark.parametrize(("family", "sent"), [("", False), ("vllm", True)])
async def test_model_may_be_of_another_family_than_its_backend(
    engine: Gateway, family: str, sent: bool
) -> None:
    """backends.py, family of a model."""
    with_main(engine, profile=PROFILES["openai"], models=facts(ALPHA, family=family))
    assert ("top_k" in (await outgoing(engine, top_k=5)).chat.body) is sent


@pytest.mark.parametrize(
    ("said", "setting", "read"),
    [(None, True, True), (None, False, False), (True, False, True), (False, True, False)],
)
async def test_written_calls_are_read_as_the_model_or_else_the_setting_says(
    engine: Gateway, said: bool | None, setting: bool, read: bool
) -> None:
    """backends.py, written_calls: empty, as TEXT_TOOL_CALLS says."""
    configure(engine, text_tool_calls=setting)
    with_main(engine, models=facts(ALPHA, written_calls=said))
    assert (set((await outgoing(engine, tools=[TOOL])).options.written_calls) == {"f"}) is read


@pytest.mark.parametrize(
    ("family", "tools", "said", "read"),
    [
        ("generic", None, None, True),
        ("vllm", True, None, True),
        ("openai", None, None, False),
        ("openrouter", None, None, False),
        ("deepseek", None, None, False),
        ("deepseek", None, True, True),
        ("chutes", True, None, False),
        ("chutes", None, None, True),
    ],
)
async def test_h2_backend_that_reads_calls_itself_leaves_only_quotes(
    engine: Gateway, family: str, tools: bool | None, said: bool | None, read: bool
) -> None:
    """H2: nothing is read from the text of these, unless the model's row says so."""
    models = facts(ALPHA, written_calls=said, tools=tools)
    with_main(engine, profile=PROFILES[family], models=models)
    assert bool((await outgoing(engine, tools=[TOOL])).options.written_calls) is read


@pytest.mark.parametrize("said", [None, True])
async def test_h2_call_of_the_backends_own_ends_the_reading_of_text(
    engine: Gateway, said: bool | None
) -> None:
    """H2: learnt from the first answer that has one, for this model alone."""
    with_main(engine, models=facts(ALPHA, written_calls=said))
    before = await outgoing(engine, tools=[TOOL])
    engine.learned.called_natively(before.target)
    after = await outgoing(engine, tools=[TOOL])
    assert bool(before.options.written_calls)
    assert bool(after.options.written_calls) is bool(said)


async def test_h2_nothing_is_read_where_no_tool_may_be_called(engine: Gateway) -> None:
    """H2: tool_choice none."""
    with_main(engine)
    for kind, read in (("none", False), ("auto", True)):
        options = (await outgoing(engine, tools=[TOOL], tool_choice={"type": kind})).options
        assert bool(options.written_calls) is read


async def test_h1_limit_that_was_sent_is_known_to_the_reading_side(engine: Gateway) -> None:
    """H1: what was lowered on the way counts, not what the client asked for."""
    with_main(engine, models=facts(ALPHA, max_output=100))
    options = (await outgoing(engine, max_tokens=5000)).options
    assert (options.max_tokens, options.sent_max_tokens) == (5000, 100)


@pytest.mark.parametrize(("said", "told"), [("", ""), ("tags", "tags"), ("open", "open")])
async def test_thinking_in_the_text_is_read_as_the_model_says(
    engine: Gateway, said: str, told: str
) -> None:
    """backends.py, inline_thinking."""
    with_main(engine, models=facts(ALPHA, inline_thinking=said))
    assert (await outgoing(engine)).options.inline_thinking == told


async def test_window_of_the_model_bounds_the_answer(engine: Gateway) -> None:
    """wire F58: clamped to what the model can write."""
    with_main(engine, models=facts(ALPHA, context=4096, max_output=50))
    found = await outgoing(engine, max_tokens=100)
    assert (found.chat.body["max_tokens"], found.error_context.context) == (50, 4096)


# --- as whom -----------------------------------------------------------------------------------


async def test_each_target_gets_its_own_credential(pair: Gateway, backend: FakeBackend) -> None:
    """design, Secrets: the operator's key of one backend never reaches another."""
    with_main(pair, key="cpk_operators")
    made = routed(pair)
    main, other = [
        await upstream_request(pair.relay, made, target) for target in made.route.targets
    ]
    assert (main.key, main.error_context.operator_key) == ("cpk_operators", True)
    assert (other.key, other.error_context.operator_key) == (SECRET, False)
    assert main.error_context.secrets == ("cpk_operators", main_of(pair).host)
