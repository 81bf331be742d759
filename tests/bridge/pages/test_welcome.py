"""The start page: whose settings it shows to whom."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from bridge.configuration.snapshot import Snapshot
from bridge.pages.welcome import settings_for
from bridge.routing.types import Routes
from tests.bridge.making import a_backend, facts

MODEL = "vendor/inner-name"
SNAPSHOT = Snapshot(1, Routes((a_backend(models=facts(MODEL, context=65536)),)))


@pytest.fixture(autouse=True)
def _any_host(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]


def suggested(host: str, address: str, **query: str) -> str:
    request = RequestFactory(SERVER_NAME=host).get("/", query, REMOTE_ADDR=address)
    return settings_for(request, SNAPSHOT).model


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "127.0.0.1"), ("localhost", "::1"), ("[::1]", "::1")]
)
def test_visitor_of_this_machine_sees_the_main_model(host: str, address: str) -> None:
    assert suggested(host, address) == MODEL


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("gateway.example", "127.0.0.1"),  # a front on this machine
        ("localhost", "192.0.2.1"),
        ("127.0.0.1.example", "127.0.0.1"),
        ("localhost", ""),  # a Unix socket says nothing of who is there
    ],
)
def test_stranger_sees_where_a_name_goes(host: str, address: str) -> None:
    """Ours: the list of models needs a key, and so does its best name."""
    assert suggested(host, address) == "YOUR_MODEL"


def test_stranger_who_chose_a_model_gets_its_settings() -> None:
    """Ours: the name and the window come from the address; no list is read for them."""
    request = RequestFactory(SERVER_NAME="gateway.example").get("/?model=x&window=4096")
    connection = settings_for(request, SNAPSHOT)
    assert (connection.model, connection.facts.context) == ("x", 4096)


@pytest.mark.parametrize("window", ["", "0", "-1", "4e9", "٣", "9" * 12])
def test_window_that_is_no_size_is_left_out_or_bounded(window: str) -> None:
    request = RequestFactory(SERVER_NAME="localhost").get("/", {"model": "x", "window": window})
    context = settings_for(request, SNAPSHOT).facts.context
    assert context is None or context <= 999_999_999
