"""Drives the real Claude Code: `TEST_CLAUDE_CODE`, or `claude` on PATH.

The client runs without the shell's environment, in empty folders, and would retry quietly; so a
good end alone proves little, and there are checks here of what both sides saw.
"""

import json
import os
import shutil
import struct
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import Json, arguments, call, finish, role, text, usage
from tests.fakes.client import KEY
from tests.fakes.gateway import Gateway
from tests.fakes.strict import check_chat_request

PROGRAM = os.environ.get("TEST_CLAUDE_CODE") or shutil.which("claude")
MODEL = "zai-org/GLM-4.5-Air"
RUN_SECONDS = 90

needs_claude_code = pytest.mark.skipif(
    PROGRAM is None, reason="no Claude Code: TEST_CLAUDE_CODE is not set, no `claude` on PATH"
)


@dataclass(frozen=True, slots=True)
class Session:
    """What one run of the client left behind."""

    code: int
    lines: list[Json]
    errors: str

    def of(self, kind: str, subtype: str | None = None) -> list[Json]:
        found = [line for line in self.lines if line["type"] == kind]
        return [line for line in found if subtype is None or line.get("subtype") == subtype]

    @property
    def result(self) -> Json:
        (result,) = self.of("result")
        return result

    def blocks(self, speaker: str, kind: str) -> list[Json]:
        """Content blocks of this kind in the conversation as the client keeps it."""
        contents = [line["message"]["content"] for line in self.of(speaker)]
        every = [block for content in contents if isinstance(content, list) for block in content]
        return [block for block in every if block["type"] == kind]

    @property
    def called(self) -> list[str]:
        """Names of the tools that were called, in order."""
        return [block["name"] for block in self.blocks("assistant", "tool_use")]

    @property
    def retries(self) -> list[Json]:
        return self.of("system", "api_retry")

    def check_good_end(self, said: str) -> None:
        """Success with exactly this text, and no tool that failed on the way."""
        assert self.code == 0, self.errors or self.lines[-1]
        assert (self.result["subtype"], self.result["is_error"]) == ("success", False)
        assert self.result["result"] == said
        failed = [block for block in self.blocks("user", "tool_result") if block.get("is_error")]
        assert failed == []

    def check_smooth_end(self, said: str) -> None:
        """The same, and the client had to try nothing twice."""
        self.check_good_end(said)
        assert self.retries == []


@dataclass(frozen=True, slots=True)
class ClaudeCode:
    """The client, its home, and the folder that it works in; `permissions` are its options."""

    gateway: Gateway
    home: Path
    folder: Path
    permissions: tuple[str, ...] = ("--dangerously-skip-permissions",)
    seconds: float = RUN_SECONDS

    def run(self, prompt: str, *options: str, model: str = MODEL, **environment: str) -> Session:
        assert PROGRAM is not None
        fixed = ("--output-format", "stream-json", "--verbose", *self.permissions)
        ended = subprocess.run(
            [PROGRAM, "-p", prompt, *(("--model", model) if model else ()), *fixed, *options],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=self.seconds,
            check=False,
        )
        lines = [json.loads(line) for line in ended.stdout.decode().splitlines()]
        return Session(ended.returncode, lines, ended.stderr.decode())

    @property
    def environment(self) -> dict[str, str]:
        """All variables that the client has, where a run does not set others."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "IS_SANDBOX": "1",
            "ANTHROPIC_BASE_URL": self.gateway.url,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",  # else it installs a newer one on this machine
        }


def settle(gateway: Gateway, tmp_path: Path) -> ClaudeCode:
    """A client that has never run before, in an empty folder."""
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    return ClaudeCode(gateway, home, folder)


def fragments(index: int, call_id: str, name: str, given: Json) -> list[Json]:
    """A tool call whose arguments come in pieces of ten characters."""
    whole = json.dumps(given)
    pieces = [whole[start : start + 10] for start in range(0, len(whole), 10)]
    return [call(index, call_id, name), *(arguments(index, piece) for piece in pieces)]


def turn(*calls: list[Json]) -> list[Json]:
    """One answer that makes these calls."""
    made = [fragment for call in calls for fragment in call]
    return [role(), *made, finish("tool_calls"), usage(12000, 20)]


def last_words(words: str) -> list[Json]:
    return [role(), text(words), finish("stop"), usage(13000, 4)]


def red_square(side: int = 16) -> bytes:
    """A PNG that every reader takes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\xff\0\0" * side) * side)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def check_sent(backend: FakeBackend, count: int, folder: Path) -> list[Json]:
    """The bodies of exactly that many calls, each as the strictest of backends wants it."""
    calls = backend.calls
    assert len(calls) == count, [request.body["messages"][-1] for request in calls]
    bodies = [check_chat_request(request.raw) for request in calls]
    for body in bodies:
        assert body["stream"] is True
        assert body["stream_options"] == {"include_usage": True}
    assert str(folder) in json.dumps(bodies[0]["messages"]), "the environment text is lost"
    return bodies


def said_by(body: Json, role: str) -> list[str]:
    """Texts of the messages of this role, parts of an array joined."""
    return [
        content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        for content in (m["content"] for m in body["messages"] if m["role"] == role)
    ]


def names_of_tools(body: Json) -> list[str]:
    return [tool["function"]["name"] for tool in body["tools"]]
