"""The configuration of logging, as Django hands it to `logging.config`."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from proxysite import environment as read

FORMATS = ("console", "json")
_FORMATTERS = {
    "console": "bridge.logs.formatters.ConsoleFormatter",
    "json": "bridge.logs.formatters.JsonFormatter",
}


def configuration(form: str, level: str, *, debug_proxy: bool, colours: bool) -> dict[str, Any]:
    """`form`: one of FORMATS. Only a terminal ever gets `colours`."""
    _look_up_less()
    formatter: dict[str, Any] = {"()": _FORMATTERS[form]}
    if form == "console":
        formatter["colours"] = colours and sys.stderr.isatty()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "filters": {"refused": {"()": "bridge.pages.refusal_log.WithoutTraceback"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            "bridge": {"level": level},
            "dashboard": {"level": level},
            "bridge.debug": {"level": "DEBUG" if debug_proxy else level},
            # answers whoever ends the process
            "bridge.runtime.ending": {"level": "INFO"},
            # counts a try as failed until its password is known to be right;
            # bridge.accounts.login_throttle logs
            "axes": {"level": "ERROR"},
            # tells of every export that failed; bridge.tracing.export says it once
            "opentelemetry": {"level": "CRITICAL"},
            "django.request": {"filters": ["refused"]},
            # tells of each statement that a lost connection cut short; whoever made it tells it too
            "psycopg": {"level": "ERROR"},
        },
    }


def _look_up_less() -> None:
    """What no line of ours shows need not be looked up for each: see the HOWTO of `logging`."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def last_words(text: str) -> str:
    """Why a start cannot be, in the form of the log, which is not configured then."""
    if read.text("LOG_FORMAT").lower() != "json":
        return text
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    level = logging.getLevelName(logging.CRITICAL).lower()
    return json.dumps({"time": now, "level": level, "logger": "bridge.start", "message": text})
