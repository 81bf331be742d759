"""The stream helpers of the official SDKs read a stream as the gateway's own fold does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic, APIStatusError

from tests.fakes.backend import FakeBackend
from tests.sdk.streams import comparable, expected, streams, text_of
from tests.shapes import Json

EVENT_STREAM = "text/event-stream; charset=utf-8"
TS_SDK = os.environ.get("TEST_TS_SDK", "")
READER = Path(__file__).with_name("read_stream.mjs")
SECONDS = 60


@pytest.fixture(scope="module")
def server() -> Iterator[FakeBackend]:
    """A server that has every stream ready, one for each request, in order."""
    with FakeBackend() as backend:
        yield backend


def serve_all(server: FakeBackend) -> str:
    server.reset()
    script = server.route("POST", "/v1/messages")
    for heard in streams().values():
        script.raw(heard.frames, EVENT_STREAM)
    return server.base_url


def assert_same(read: dict[str, Json], as_read: Callable[[Any], Any] = dict) -> None:
    assert read.keys() == streams().keys()
    for name, heard in streams().items():
        assert read[name] == as_read(expected(heard)), name


def test_there_are_streams_of_every_kind() -> None:
    """Ours: an empty comparison must not pass for a green one."""
    results = [heard.result for heard in streams().values()]
    assert len(results) >= 100
    kinds = {result.get("stop_reason", "error") for result in results}
    assert kinds >= {"end_turn", "tool_use", "max_tokens", "refusal", "stop_sequence", "error"}


def test_python_helper_reads_what_was_meant(server: FakeBackend) -> None:
    """F105: the helper of the Python SDK, over a real socket."""
    with Anthropic(api_key="k", base_url=serve_all(server), max_retries=0, timeout=60) as client:
        assert_same({name: _read(client) for name in streams()})


def _read(client: Anthropic) -> Json:
    request = client.messages.stream(
        model="m", max_tokens=100, messages=[{"role": "user", "content": "hi"}]
    )
    with request as stream:
        try:
            return comparable(stream.get_final_message().to_dict())
        except APIStatusError as error:
            assert isinstance(error.body, dict)
            before = stream.current_message_snapshot.to_dict()
            return {"error": error.body["error"], "text": text_of(before)}


@pytest.mark.skipif(not TS_SDK, reason="TEST_TS_SDK does not name a folder with @anthropic-ai/sdk")
@pytest.mark.skipif(not shutil.which("node"), reason="there is no node here")
def test_typescript_helper_reads_what_was_meant(server: FakeBackend) -> None:
    """F105: the helper of the TypeScript SDK, which Claude Code is built on."""
    command = ["node", str(READER), TS_SDK, serve_all(server), str(len(streams()))]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    assert not done.returncode, done.stderr.decode()
    lines = [json.loads(line) for line in done.stdout.split(b"\n") if line]
    read = [_in_doubles(_of_typescript(line)) for line in lines]
    assert_same(dict(zip(streams(), read, strict=True)), _in_doubles)


def _of_typescript(line: Json) -> Json:
    if "error" not in line:
        return comparable(line["message"])
    assert isinstance(line["error"], dict), line
    return {"error": line["error"]["error"], "text": text_of(line["message"])}


def _in_doubles(value: Any) -> Any:
    """The value as JavaScript has it: every number is a double."""
    if isinstance(value, dict):
        return {name: _in_doubles(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_in_doubles(item) for item in value]
    return float(value) if type(value) is int else value
