"""`manage.py demo`: one streamed conversation with a tool call, shown in the terminal.

Starts a gateway of its own on a free port, with a throwaway database and the built-in demo backend,
and talks to it over HTTP as any client would.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

START_SECONDS = 30
QUESTION = "What is the weather in Lisbon?"
WEATHER = "sunny, 24 degrees"
TOOL = {
    "name": "get_weather",
    "description": "Current weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
_OPENINGS = {"thinking": "thinking", "text": "assistant", "tool_use": "tool call"}

Event = dict[str, Any]


class Command(BaseCommand):
    help = "Show one streamed conversation with a tool call, against the built-in demo backend."

    def handle(self, *args: Any, **options: Any) -> None:
        with _own_gateway() as port:
            self.stdout.write(f"POST http://127.0.0.1:{port}/v1/messages  (demo/echo, streamed)\n")
            messages: list[Event] = [{"role": "user", "content": QUESTION}]
            self.stdout.write(f"\nuser       {QUESTION}")
            content = self._turn(port, messages)
            call = next(block for block in content if block["type"] == "tool_use")
            self.stdout.write(f"\ntool       {WEATHER}")
            result = {"type": "tool_result", "tool_use_id": call["id"], "content": WEATHER}
            messages += [
                {"role": "assistant", "content": content},
                {"role": "user", "content": [result]},
            ]
            self._turn(port, messages)

    def _turn(self, port: int, messages: list[Event]) -> list[Event]:
        """One request, shown as it arrives; the content blocks of its answer."""
        content: list[Event] = []
        for event in _stream(port, messages):
            match event["type"]:
                case "content_block_start":
                    content.append({**event["content_block"], "parts": []})
                    self._begin(event["content_block"])
                case "content_block_delta":
                    self._show(content[-1], event["delta"])
                case "message_delta":
                    ending = {"stop_reason": event["delta"]["stop_reason"], **event["usage"]}
                    self.stdout.write("\n           " + json.dumps(ending))
        return [_finished(block) for block in content]

    def _begin(self, block: Event) -> None:
        name = f" {block['name']}" if "name" in block else ""
        self.stdout.write(f"\n{_OPENINGS[block['type']]:10}{name}", ending=" ")

    def _show(self, block: Event, delta: Event) -> None:
        text = delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""
        block["parts"].append(text)
        self.stdout.write(text, ending="")
        self.stdout.flush()
        if delta["type"] == "signature_delta":
            block["signature"] = delta["signature"]


def _finished(block: Event) -> Event:
    """The block as it goes back into the conversation."""
    text = "".join(block.pop("parts"))
    if block["type"] == "tool_use":
        return {**block, "input": json.loads(text)}
    return {**block, block["type"]: text}


def _stream(port: int, messages: list[Event]) -> Iterator[Event]:
    body = {"model": "demo/echo", "max_tokens": 500, "stream": True, "tools": [TOOL]}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"content-type": "application/json", "x-api-key": "demo"}
    connection.request("POST", "/v1/messages", json.dumps(body | {"messages": messages}), headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise CommandError(f"{answer.status} {answer.read().decode()}")
    for line in answer:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])
    connection.close()


@contextmanager
def _own_gateway() -> Iterator[int]:
    """A gateway process with nothing configured; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as scratch:
        script = str(settings.BASE_DIR / "manage.py")
        process = subprocess.Popen(  # noqa: S603 - a fixed list of arguments, without a shell
            ["/usr/bin/env", *_variables(port, scratch), sys.executable, script, "serve"],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_until_up(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def _variables(port: int, scratch: str) -> list[str]:
    """The environment of a gateway without backends that keeps its data in this folder."""
    unset = ("BACKEND_URL=", "CHUTES_BASE_URL=", "CHUTES_API_KEY=", "MODEL_MAP=")
    place = (f"PORT={port}", "HOST=127.0.0.1", f"DATA_DIR={scratch}", "LOG_LEVEL=warning")
    return [*unset, *place, f"DATABASE_URL=sqlite:///{scratch}/demo.sqlite3", "DRAIN_SECONDS=0"]


def _wait_until_up(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise CommandError("the demo gateway did not start")
