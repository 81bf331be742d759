"""Addresses of backends, for the environment and the admin alike."""

import pytest

from bridge.routing.addresses import base_url, origin, problem


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("https://h", "https://h/v1"),
        ("https://h/", "https://h/v1"),
        ("https://h/v1", "https://h/v1"),
        ("https://h/v1/", "https://h/v1"),
        ("https://h/v1/chat/completions", "https://h/v1"),
        ("https://h/v1/chat/completions/", "https://h/v1"),
        ("https://h/chat/completions", "https://h/v1"),
        ("https://h:8443/api/v3", "https://h:8443/api/v3"),
        ("https://h/api/v3/chat/completions", "https://h/api/v3"),
    ],
)
def test_address_is_understood_in_both_forms(address: str, base: str) -> None:
    """wire G22: a base, with or without /v1, or a full chat-completions address. R17, P5."""
    assert base_url(address) == base
    assert base_url(base) == base


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("HTTPS://H:443/v1", "https://h"),
        ("http://h:8000/v1", "http://h:8000"),
        ("http://[::1]/x", "http://[::1]"),
        ("http://[2001:DB8::1]:8000/x", "http://[2001:db8::1]:8000"),
    ],
)
def test_server_of_an_address_is_an_address(address: str, server: str) -> None:
    assert origin(address) == server
    assert problem(server) == ""


@pytest.mark.parametrize(
    "address",
    ["http://h", "https://llm.example.com/v1", "http://127.0.0.1:8000", "http://[::1]:8000/v1"],
)
def test_usable_address_has_no_problem(address: str) -> None:
    assert problem(address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "",
        "llm.example.com/v1",
        "ftp://h/v1",
        "demo://local/v1",
        "http://",
        "http:///v1",
        "http://h:99999",
        "http://h:0",
        "http://h:port",
        "http://[::1",
        "http://two words",
        "http://h/v1\n",
        "https://user:secret@h/v1",
        "https://h/v1?key=secret",
        "https://h/v1#top",
    ],
)
def test_unusable_address_is_named_without_repeating_it(address: str) -> None:
    """design, Egress and Secrets: an address with a password in it would end up in a log."""
    assert problem(address)
    assert "secret" not in problem(address)
