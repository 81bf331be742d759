"""What nobody catches goes to the log too, in its form: exceptions, warnings of Python."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from types import TracebackType

FILES = "StreamingHttpResponse must consume synchronous iterators"
"""How Django warns of each static file that is sent: files are read as they are sent, as meant."""

logger = logging.getLogger(__name__)


def to_log() -> None:
    """From here on, in this process."""
    warnings.filterwarnings("ignore", FILES)
    logging.captureWarnings(True)
    sys.excepthook = _at_the_top
    sys.unraisablehook = _in_passing
    threading.excepthook = _in_thread


def _at_the_top(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return  # whoever pressed the key knows
    logger.critical("the process ends by an error", exc_info=(kind, error, trace))


def _in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or issubclass(args.exc_type, SystemExit):
        return
    name = args.thread.name if args.thread else "a thread"
    logger.error("%s ended", name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))


def _in_passing(args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is None:
        return
    trace = (args.exc_type, args.exc_value, args.exc_traceback)
    logger.error("%s: %r", args.err_msg or "ignored", args.object, exc_info=trace)
