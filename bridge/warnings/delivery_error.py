"""Why a warning could not be delivered."""

from __future__ import annotations

LONGEST_REASON = 200


class DeliveryError(Exception):
    """A destination did not take a message.

    `reason` is for operators: a status or a cause in our own words, never what was answered.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason[:LONGEST_REASON]
