"""Fixtures: a process as far as its warnings are concerned, and where it sends them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.bridge.warned import Times, WarningProcess, use_mail_server
from tests.fakes.webhook import MailServer


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def process(times: Times) -> WarningProcess:
    return WarningProcess(times)


@pytest.fixture
def mail_server(settings: Any) -> Iterator[MailServer]:
    """A mail server, which is the one of the settings."""
    with MailServer() as server:
        use_mail_server(settings, server)
        yield server
