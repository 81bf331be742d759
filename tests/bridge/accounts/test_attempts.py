"""Counts of tries outlive the tries of everybody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import RequestFactory

from bridge.accounts.clients import attempts
from bridge.accounts.tries import Tries

OTHERS = 1000
"""Addresses; whoever has one IPv6 network of a provider's has thousands."""


@pytest.fixture(autouse=True)
def counted_anew() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def test_tries_of_many_others_make_nobodys_be_forgotten() -> None:
    assert attempts.take("code", "somebody", 1, 600)
    for number in range(OTHERS):
        attempts.take("code", f"2001:db8:{number:x}::", 1, 600)
    assert not attempts.take("code", "somebody", 1, 600)


def test_lock_of_an_address_is_not_lifted_by_many_others() -> None:
    tries, requests = Tries("test-"), RequestFactory()
    locked = requests.get("/", REMOTE_ADDR="192.0.2.1")
    while not tries.is_locked(locked):
        tries.failed(locked)
    for number in range(OTHERS):
        tries.failed(requests.get("/", REMOTE_ADDR=f"2001:db8:{number:x}::1"))
    assert tries.is_locked(locked)
