"""The two forms of the log: `ConsoleFormatter` for people, `JsonFormatter` for programs."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from bridge.logs.request_line import RequestEntry, escaped

INDENT = "    "
"""Stands before each line of a traceback: only an entry begins at the left edge."""
_RESET = "\x1b[0m"
_RED, _GREEN, _YELLOW = "\x1b[31m", "\x1b[32m", "\x1b[33m"
_OF_LEVELS = {logging.WARNING: _YELLOW, logging.ERROR: _RED, logging.CRITICAL: _RED}
_OF_OUTCOMES = {"answered": _GREEN, "refused": _YELLOW, "abandoned": _YELLOW, "error": _RED}
_DELETE = ("\x7f", "\\u007f")
"""The one control character that JSON writes as it is, and its escape."""


class _Formatter(logging.Formatter):
    """Writes the date and time of a second once."""

    seconds_format = "%Y-%m-%d %H:%M:%S"
    _second, _shown = -1, ""

    def moment(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:
            shown = time.strftime(self.seconds_format, self.converter(second))
            self._second, self._shown = second, shown
        return f"{self._shown}.{int(record.msecs):03d}"

    def trace(self, record: logging.LogRecord) -> str:
        """The traceback that belongs to the record, "" for none."""
        if not (record.exc_info or record.exc_text or record.stack_info):
            return ""
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        stack = self.formatStack(record.stack_info) if record.stack_info else ""
        return "\n".join(text for text in (record.exc_text, stack) if text)


class ConsoleFormatter(_Formatter):
    """`TIME LEVEL WHAT`, in the time zone of the machine."""

    def __init__(self, colours: bool = False) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        entry: Any = record.msg
        if isinstance(entry, RequestEntry):
            colour, text = _OF_OUTCOMES[entry.outcome], str(entry)
        else:
            colour = _OF_LEVELS.get(record.levelno, "")
            text = f"{record.name}: {escaped(record.getMessage().rstrip())}"
        level = f"{record.levelname:7}"
        if self._colours and colour:
            level = f"{colour}{level}{_RESET}"
        line = f"{self.moment(record)} {level} {text}"
        trace = self.trace(record)
        return line + _indented(trace) if trace else line


class JsonFormatter(_Formatter):
    """`time` (UTC), `level`, `logger`, `message`, and `request` or `traceback` where there is one.

    ASCII alone, for what reads it may split lines at other characters or show them.
    """

    converter = staticmethod(time.gmtime)
    seconds_format = "%Y-%m-%dT%H:%M:%S"

    def format(self, record: logging.LogRecord) -> str:
        entry: Any = record.msg
        moment, level = f"{self.moment(record)}Z", record.levelname.lower()
        if isinstance(entry, RequestEntry):
            return (
                f'{{"time": "{moment}", "level": "{level}", "logger": "{record.name}", '
                f'"message": "{entry.outcome}", "request": {_ascii(entry.document())}}}'
            )
        members = {"time": moment, "level": level, "logger": record.name}
        members["message"] = record.getMessage()
        if trace := self.trace(record):
            members["traceback"] = trace
        return json.dumps(members).replace(*_DELETE)


def _indented(trace: str) -> str:
    return "".join(f"\n{INDENT}{escaped(line)}" for line in trace.split("\n"))


def _ascii(document: bytes) -> str:
    text = document.decode()
    text = text if text.isascii() else json.dumps(json.loads(text))
    return text.replace(*_DELETE)
