"""Drives the real Claude Code in a terminal: a pseudo-terminal, a screen, and keys.

    with open_terminal(claude_code) as terminal:
        terminal.ask("Hello there")
        terminal.wait_for("The answer")

The questions of a first start (theme, trust) are answered in the client's own files. Every wait is
for something on the screen or in the world, with a bound that a busy machine keeps to.
"""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.e2e.claude_code import MODEL, PROGRAM, ClaudeCode
from tests.fakes.client import KEY
from tests.fakes.screen import Screen

ROWS, COLUMNS = 50, 120
WAIT_SECONDS = 90.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.1
CONFIRM_SECONDS = 2.0
ENTER, UP, DOWN = "\r", "\x1b[A", "\x1b[B"
MOST_CHOICES = 40
PROMPT = "❯"
AS_INSTALLED = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "", "DISABLE_TELEMETRY": ""}
"""Variables of a client to which nobody said anything of traffic."""


@dataclass(slots=True)
class Terminal:
    """A running client and what it shows."""

    process: subprocess.Popen[bytes]
    descriptor: int
    screen: Screen = field(default_factory=lambda: Screen(ROWS, COLUMNS))

    def wait_until(self, happened: Callable[[], bool], what: str) -> None:
        """Return when it has happened, reading on meanwhile."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not happened():
            assert self.process.poll() is None, f"the client ended:\n{self.screen.text}"
            assert time.monotonic() < deadline, f"{what} never came:\n{self.screen.text}"
            self._read()

    def wait_for(self, text: str) -> None:
        """Return when this text was shown, white space apart."""
        self.wait_until(lambda: self.screen.holds(text), repr(text))

    def press(self, keys: str) -> None:
        os.write(self.descriptor, keys.encode())

    def type(self, text: str) -> None:
        """Write into the prompt, and return when it stands there."""
        self.wait_until(lambda: self._has_prompt(""), "an empty prompt")
        self.press(text)
        self.wait_until(lambda: self._has_prompt(text), f"{text!r} in the prompt")

    def ask(self, text: str) -> None:
        """Write this and send it. Enter comes alone, for keys in one piece are a paste."""
        self.type(text)
        self.press(ENTER)

    def choose(self, words: str, key: str = UP) -> None:
        """Press this key in a list until its mark stands at the line with these words; Enter."""
        for _ in range(MOST_CHOICES):
            marked = self._marked()
            if words in marked:
                return self.press(ENTER)
            self.press(key)
            self.wait_until(partial(self._has_left, marked), "the next line")
        raise AssertionError(f"no {words!r} to choose:\n{self.screen.text}")

    def confirm(self, question: str) -> None:
        """Wait for a page with this text, and press Enter until it is gone.

        A page that comes by itself takes no key in its first moments.
        """
        self.wait_for(question)
        deadline = time.monotonic() + WAIT_SECONDS
        while self.screen.shows(question):
            assert time.monotonic() < deadline, f"{question!r} stayed:\n{self.screen.text}"
            self.press(ENTER)
            again = time.monotonic() + CONFIRM_SECONDS
            while self.screen.shows(question) and time.monotonic() < again:
                self._read()

    def _has_prompt(self, text: str) -> bool:
        _, mark, written = self._marked().partition(PROMPT)
        return bool(mark) and written.strip().startswith(text)

    def _has_left(self, line: str) -> bool:
        return self._marked() != line

    def _marked(self) -> str:
        """The last line with the mark: the prompt, or a choice in a list."""
        return next((line for line in reversed(self.screen.lines) if PROMPT in line), "")

    def _read(self) -> None:
        readable, _, _ = select.select([self.descriptor], [], [], POLL_SECONDS)
        if readable:
            try:
                self.screen.feed(os.read(self.descriptor, 65536))
            except OSError:
                self.process.wait(STOP_SECONDS)


@contextmanager
def open_terminal(
    client: ClaudeCode, *options: str, model: str = MODEL, **environment: str
) -> Iterator[Terminal]:
    """A session in a terminal, ended when it is left."""
    assert PROGRAM is not None
    settings = client.home / "settings"
    _answer_first_questions(settings, client.folder)
    bearer = {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": KEY, "ANTHROPIC_MODEL": model}
    place = {"TERM": "xterm-256color", "CLAUDE_CONFIG_DIR": str(settings)}
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        process = subprocess.Popen(
            [PROGRAM, *options],
            cwd=client.folder,
            env=client.environment | bearer | place | environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            _stop(process)
    finally:
        os.close(ours)


def _answer_first_questions(settings: Path, folder: Path) -> None:
    """The theme is chosen, and the folder is trusted."""
    settings.mkdir(exist_ok=True)
    answers = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "projects": {str(folder): {"hasTrustDialogAccepted": True}},
    }
    (settings / ".claude.json").write_text(json.dumps(answers))


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
