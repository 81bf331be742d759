"""What is kept of a sampled request: the bodies, without what was secret in them."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bridge.keys.authentication import IssuedKey
from bridge.models import ApiKey
from bridge.models.people.keys import SAMPLE_DAYS
from bridge.relay.sampling import LIMIT, BodySample, is_chosen
from bridge.translation.response import events
from bridge.translation.response.events import Event
from dashboard.display.request.samples import sample as shown

GITHUB = "ghp_" + "a1B2c3D4" * 4
MODEL_VENDOR = "sk-ant-api03-" + "Zx9_" * 8


def kept(body: Any, *said: Event) -> dict[str, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sample = BodySample(raw)
    sample.add(list(said))
    return sample.document()


def prompt(text: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def delta(text: str) -> Event:
    return events.ContentBlockDelta(0, events.TextDelta(text))


@pytest.mark.django_db
def test_key_that_this_gateway_issued_is_not_kept_in_prompt_or_answer() -> None:
    """Ours: pages H2. In a line of its own, in a sentence, and over several deltas."""
    _, text = ApiKey.issue("team")
    parts = [delta(text[i : i + 5]) for i in range(0, len(text), 5)]
    told = kept(prompt(f"{text}\nmine is {text}."), delta("it is\n"), *parts, delta(" then"))
    assert text[4:] not in json.dumps(told)
    assert text[10:25] not in json.dumps(told)
    assert json.loads(told["request"])["messages"][0]["content"] == (
        "[redacted]\nmine is [redacted]."
    )
    assert "it is\\n[redacted] then" in told["answer"]


@pytest.mark.parametrize("secret", [GITHUB, MODEL_VENDOR, "/home/ada/notes.txt"])
@pytest.mark.parametrize("before", ["", "\n", "\t", "\\n", 'a: "', "KEY_="])
def test_secret_at_the_begin_of_a_line_is_not_kept(before: str, secret: str) -> None:
    """Ours: in JSON source a line break is two characters, of which the second is a letter."""
    told = kept(prompt(f"x{before} {before}{secret} y"))
    assert secret not in told["request"]
    assert "y" in json.loads(told["request"])["messages"][0]["content"]


def test_value_of_a_member_that_is_named_like_a_secret_is_not_kept() -> None:
    """Ours: the input of a tool is JSON, where the name stands apart from the value."""
    tool = {"type": "tool_use", "id": "t", "name": "login", "input": {"password": "hunter2"}}
    written = events.ContentBlockDelta(0, events.InputJsonDelta('{"db_password": "hunter3", '))
    told = kept({"messages": [{"role": "assistant", "content": [tool]}]}, written)
    assert "hunter" not in json.dumps(told)
    assert json.loads(told["request"])["messages"][0]["content"][0]["name"] == "login"


def test_images_are_left_out_and_what_stands_behind_them_is_kept() -> None:
    """Ours: an image of megabytes in front of a question."""
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0K" * 100_000}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "what is it?"}]
    told = kept({"messages": [{"role": "user", "content": content}]})
    blocks = json.loads(told["request"])["messages"][0]["content"]
    assert blocks[0]["source"]["data"] == "[left out]"
    assert blocks[1]["text"] == "what is it?"
    assert not told["cut"]


BODIES: list[tuple[str, bytes]] = [
    ("no JSON", f"export K={GITHUB}\n".encode()),
    ("cut off within a string", b'{"a":"' + GITHUB.encode() + b" and \\u00"),
    ("no UTF-8", b'\xff{"a":"' + GITHUB.encode() + b'"}'),
    ("half an emoji", b'{"a":"\\ud83d ' + GITHUB.encode() + b'"}'),
    ("an escape that is none", b'{"a":"\\x ' + GITHUB.encode() + b'"}'),
    ("a name of a member", b'{"' + GITHUB.encode() + b'":1}'),
]


@pytest.mark.parametrize("body", [row[1] for row in BODIES], ids=[row[0] for row in BODIES])
def test_whatever_arrives_is_kept_without_its_secrets(body: bytes) -> None:
    """Ours: a body that no gateway can read is on record too."""
    assert GITHUB not in kept(body)["request"]


def test_long_bodies_are_cut_and_say_so() -> None:
    """Ours: a record has a size."""
    told = kept(prompt("word " * LIMIT), delta("word " * LIMIT))
    assert told["cut"]
    assert len(told["request"]) == len(told["answer"]) == LIMIT


def test_an_answer_in_small_deltas_is_shown_as_one_text() -> None:
    """Ours: as the request's page reads it."""
    block = events.ContentBlockStart(0, events.TextBlock())
    parts = [delta("Hel"), delta("lo, "), delta("you")]
    told = kept({}, block, *parts, events.ContentBlockStop(0))
    found = shown(told)
    assert found is not None
    assert [(b.kind, b.text) for b in found.blocks] == [("text", "Hello, you")]
    assert told["answer"].count("content_block_delta") == 1


def test_work_on_a_sample_does_not_grow_with_what_is_not_kept() -> None:
    """Ours: attack, samples. 60,000 spaces took nine seconds."""

    def cost(text: str) -> float:
        body = json.dumps(prompt(text)).encode()
        began = time.process_time()
        kept(body)
        return time.process_time() - began

    cost(" ")
    for unit in (" ", "\n", '"', "password=", "/a", "://a", "sk-", "api_key ", "a:\\"):
        small, large = cost(unit * 60_000), cost(unit * 480_000)
        assert large < 4 * small + 0.1, unit


def test_what_is_taken_out_is_counted_by_kind() -> None:
    """For the request's page: text that has the marks already does not count."""
    png = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo" + "A" * 400}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0" + "A" * 400}
    content = [
        {"type": "image", "source": png},
        {"type": "document", "source": pdf},
        {"type": "text", "text": f"{GITHUB} and {MODEL_VENDOR} of /home/ada/notes.txt"},
        {"type": "tool_use", "id": "t", "name": "login", "input": {"password": "hunter2"}},
        {"type": "text", "text": "earlier it was [redacted] at [path]"},
    ]
    told = kept({"messages": [{"role": "user", "content": content}]}, delta(f"use {GITHUB} now"))
    assert told["taken"] == {"image": 1, "file": 1, "credential": 4, "path": 1}
    found = shown(told)
    assert found is not None
    assert found.taken == "4 credentials, 1 path, 1 image, 1 file"
    assert kept(prompt("hello"))["taken"] == {}


def test_sampling_ends_at_its_moment() -> None:
    key = IssuedKey(1, "k", sample_percent=100, sample_until=1000.0)
    assert [is_chosen(key, now) for now in (999.0, 1000.0, 1001.0)] == [True, False, False]
    assert is_chosen(IssuedKey(1, "k", sample_percent=100), 1e12)
    assert not is_chosen(IssuedKey(1, "k"), 0.0)


@pytest.mark.django_db
def test_sampling_without_an_end_gets_one() -> None:
    """Who forgets that a key is sampled would keep prompts for ever."""
    row, _ = ApiKey.issue("team")
    assert (row.sample_until, row.is_sampled) == (None, False)
    row.sample_percent = 5
    row.save(update_fields=["sample_percent"])
    row.refresh_from_db()
    assert row.sample_until is not None
    left = row.sample_until - timezone.now()
    assert timedelta(days=SAMPLE_DAYS) - left < timedelta(minutes=5)
    assert row.is_sampled
    row.sample_until = timezone.now() - timedelta(seconds=1)
    assert not row.is_sampled
