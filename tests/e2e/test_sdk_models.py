"""Models and token counts through the official SDK."""

import datetime

import pytest
from anthropic import Anthropic, NotFoundError
from anthropic.types import MessageParam

from tests.fakes.backend import ALPHA, FAMILY, FakeBackend

ASK: list[MessageParam] = [{"role": "user", "content": "Count me, please."}]


@pytest.mark.parametrize("limit", [1, 2, 5, 1000])
def test_pagination_yields_every_model_once(sdk: Anthropic, limit: int) -> None:
    """API documentation: the SDK follows has_more and last_id. F132. S26."""
    listed = [model.id for model in sdk.models.list(limit=limit)]
    assert sorted(listed) == sorted(FAMILY)


def test_pages_join_in_both_directions(sdk: Anthropic) -> None:
    """API documentation: after_id goes on, before_id goes back. F133."""
    first = sdk.models.list(limit=2)
    second = sdk.models.list(limit=2, after_id=first.last_id or "")
    back = sdk.models.list(limit=2, before_id=second.first_id or "")
    assert (len(first.data), first.has_more) == (2, True)
    assert first.first_id == first.data[0].id
    assert first.last_id == first.data[-1].id
    assert [model.id for model in back.data] == [model.id for model in first.data]
    assert not {model.id for model in first.data} & {model.id for model in second.data}


@pytest.mark.parametrize("name", sorted(FAMILY))
def test_model_is_found_under_its_name(sdk: Anthropic, name: str) -> None:
    """Observed client: slash and colon of the name come percent-encoded. F135, S25."""
    model = sdk.models.retrieve(name)
    assert (model.id, model.type) == (name, "model")
    assert model.display_name
    assert isinstance(model.created_at, datetime.datetime)
    assert model.to_dict()["lifecycle"] == "active"
    assert model.to_dict()["max_input_tokens"] == FAMILY[name].get("max_model_len")


def test_unknown_model_is_not_found(sdk: Anthropic) -> None:
    """API documentation: 404, in the envelope."""
    with pytest.raises(NotFoundError) as caught:
        sdk.models.retrieve("test/nowhere")
    assert caught.value.type == "not_found_error"


def test_count_is_made_without_the_backend(sdk: Anthropic, backend: FakeBackend) -> None:
    """API documentation: a count, nothing generated. R2, F129."""
    counted = sdk.messages.count_tokens(model=ALPHA, messages=ASK)
    assert counted.to_dict().keys() == {"input_tokens"}
    assert 3 <= counted.input_tokens <= 30
    assert backend.calls == []


def test_count_grows_with_everything_that_is_sent(sdk: Anthropic) -> None:
    """Observed client: shows these numbers per part of the prompt. F130."""
    bare = sdk.messages.count_tokens(model=ALPHA, messages=ASK).input_tokens
    longer = sdk.messages.count_tokens(
        model=ALPHA, messages=[{"role": "user", "content": "Count me, please. " * 50}]
    ).input_tokens
    system = sdk.messages.count_tokens(model=ALPHA, messages=ASK, system="Be brief.").input_tokens
    tools = sdk.messages.count_tokens(
        model=ALPHA,
        messages=ASK,
        tools=[{"name": "look", "input_schema": {"type": "object", "properties": {}}}],
    ).input_tokens
    assert longer > bare + 100
    assert system > bare
    assert tools > bare
