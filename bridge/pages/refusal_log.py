"""What the log says of refused pages. Loaded before the models are."""

from __future__ import annotations

import logging

POLLED = "/oauth/token"


class WithoutTraceback(logging.Filter):
    """A refused page is one line in the log: where it was raised says nothing to an operator.

    A client that waits for its person asks every few seconds: that is no line.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        status = int(getattr(record, "status_code", 0))
        if 400 <= status < 500:
            record.exc_info = record.exc_text = None
        path = getattr(getattr(record, "request", None), "path", "")
        return not (status == 400 and path == POLLED)
