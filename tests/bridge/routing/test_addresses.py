"""Addresses of backends, for the environment and the admin alike."""

import pytest

from bridge.routing.addresses import base_url, problem


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
