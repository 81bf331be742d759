"""Whatever a client sends becomes a request that strict backends take, or a 4xx. Never a crash."""

from __future__ import annotations

import copy
import json

from hypothesis import given
from hypothesis import strategies as st

from bridge.translation.errors.api_error import ApiError
from bridge.translation.facts import Fact, refuses
from bridge.translation.json import decode, encode
from bridge.translation.profiles import PROFILES, ModelFacts, Profile, for_model
from bridge.translation.request.schema import MessagesRequest, RequestLimits, has_pdf, read_request
from bridge.translation.request.thinking import display
from bridge.translation.request.translate import ChatRequest, TranslationOptions, to_chat
from bridge.translation.tokens import count
from tests.fakes.strict import check_chat_request
from tests.properties.chat_rules import check_chat
from tests.properties.conversations import WORD, requests
from tests.properties.mutations import CHANGES, SPLICES, Change, Splice, changed, spliced
from tests.properties.values import JUNK, written
from tests.shapes import Json, check_error

LEARNT = [
    *refuses("strict", "stream_options", "reasoning", "temperature", "thinking"),
    Fact("max_output", "512"),
    Fact("vision", "no"),
    Fact("token_limit_field", "max_completion_tokens"),
    Fact("reasoning_demanded", "reasoning_content"),
    Fact("reasoning_field", ""),
    Fact("stream_only"),
    Fact("narrow_schemas"),
    Fact("efforts", "low medium xhigh"),
    Fact("effort_beside_tools", "none"),
    Fact("forced_choice", "auto"),
    Fact("forced_choice", "unthinking"),
    Fact("thinking", "off"),
]
"""Every kind of habit: none of them, and no mixture, makes a request that backends refuse."""

MODELS = ["some/model", "moonshotai/Kimi-K2", "mistral-small"]
BACKENDS = st.builds(
    lambda name, model: for_model(PROFILES[name], model),
    st.sampled_from(sorted(PROFILES)),
    st.sampled_from(MODELS),
)
KNOWN = st.sampled_from([None, True, False])
FACTS = st.builds(
    ModelFacts,
    name=st.sampled_from(MODELS),
    context=st.sampled_from([None, 10, 4096]),
    max_output=st.sampled_from([None, 100]),
    vision=KNOWN,
    reasoning=KNOWN,
    learnt=st.frozensets(st.sampled_from(LEARNT)),
)
MANNERS = st.builds(
    TranslationOptions,
    images_on_text_model=st.sampled_from(["placeholder", "error"]),
    strict_tool_pairing=st.booleans(),
    server_tools=st.sampled_from(["auto", "drop", "error"]),
    tool_names=st.sampled_from([{}, {"run": "Bash"}]),
    pdf_text=st.sampled_from([None, lambda data: "", lambda data: "words"]),
)
LENIENT = st.builds(TranslationOptions, tool_names=st.sampled_from([{}, {"run": "Bash"}]))


def translated(
    raw: bytes,
    profile: Profile,
    facts: ModelFacts,
    options: TranslationOptions,
    counting: bool = False,
) -> tuple[MessagesRequest, ChatRequest] | ApiError:
    """The request and what becomes of it, or why not; anything but an ApiError is a crash."""
    try:
        request = read_request(raw, RequestLimits(), counting=counting)
        return request, to_chat(request, "up/model", profile, facts, options)
    except ApiError as error:
        return error


def taken_or_refused(
    raw: bytes, profile: Profile, facts: ModelFacts, options: TranslationOptions, counting: bool
) -> None:
    outcome = translated(raw, profile, facts, options, counting)
    if isinstance(outcome, ApiError):
        assert 400 <= outcome.status < 500
        check_error(outcome.envelope("req_1"))
        return
    request, chat = outcome
    check_chat(json.loads(encode(chat.body)))
    assert count(chat.body, len) >= 1 <= chat.prompt_tokens
    assert display(request) is not None and has_pdf(request) in (True, False)


@given(body=requests(), profile=BACKENDS, facts=FACTS, options=LENIENT)
def test_valid_request_is_taken_by_the_strictest_backend(
    body: Json, profile: Profile, facts: ModelFacts, options: TranslationOptions
) -> None:
    """S15, S16: backends refuse orders, repeats and members that the Messages API allows."""
    outcome = translated(written(body, raw=True).encode(), profile, facts, options)
    if isinstance(outcome, ApiError):
        assert outcome.message == "messages: text content blocks must be non-empty"
        return
    raw = encode(outcome[1].body)
    check_chat_request(raw)
    check_chat(json.loads(raw))


@given(body=requests(), profile=BACKENDS, facts=FACTS)
def test_every_word_of_a_conversation_reaches_the_backend(
    body: Json, profile: Profile, facts: ModelFacts
) -> None:
    """S17, S18: calls without results, odd orders, long histories: repaired, never dropped."""
    raw = written(body, raw=True)
    outcome = translated(raw.encode(), profile, facts, TranslationOptions())
    if isinstance(outcome, ApiError):
        return
    sent = encode(outcome[1].body).decode()
    words = WORD.findall(sent)
    missing = set(WORD.findall(raw)) - set(words)
    assert not missing
    assert sorted(words) == sorted(set(words)), "a word twice"


@given(
    body=requests(),
    changes=CHANGES,
    profile=BACKENDS,
    facts=FACTS,
    options=MANNERS,
    counting=st.booleans(),
)
def test_spoilt_request_is_taken_or_refused(
    body: Json,
    changes: list[Change],
    profile: Profile,
    facts: ModelFacts,
    options: TranslationOptions,
    counting: bool,
) -> None:
    """Ours: a wrong member is the caller's error, wherever it stands."""
    raw = written(changed(body, changes), raw=False).encode()
    taken_or_refused(raw, profile, facts, options, counting)


@given(body=requests(), splices=SPLICES, profile=BACKENDS, options=MANNERS)
def test_spoilt_bytes_are_taken_or_refused(
    body: Json, splices: list[Splice], profile: Profile, options: TranslationOptions
) -> None:
    """Ours: the fuzz target of the request parser; real-shaped bodies with damage."""
    raw = spliced(written(body, raw=True).encode(), splices)
    taken_or_refused(raw, profile, ModelFacts("m"), options, counting=False)


@given(raw=st.one_of(st.binary(), JUNK.map(lambda value: written(value, raw=True).encode())))
def test_no_bytes_at_all_break_the_parser(raw: bytes) -> None:
    """Ours: what is no request is refused as one."""
    assert isinstance(
        translated(raw, PROFILES["generic"], ModelFacts("m"), TranslationOptions()), ApiError
    )


@given(body=requests(), changes=CHANGES, profile=BACKENDS, facts=FACTS, options=MANNERS)
def test_translation_changes_no_input_and_repeats_itself(
    body: Json,
    changes: list[Change],
    profile: Profile,
    facts: ModelFacts,
    options: TranslationOptions,
) -> None:
    """Ours: a second try translates again; backends keep caches of equal beginnings."""
    raw = written(changed(body, changes), raw=True).encode()
    outcome = translated(raw, profile, facts, options)
    if isinstance(outcome, ApiError):
        return
    request, first = outcome
    before = copy.deepcopy(request)
    second = to_chat(request, "up/model", profile, facts, options)
    assert request == before
    assert request.body == decode(raw, replacement="")
    assert (encode(second.body), second.dropped) == (encode(first.body), first.dropped)
