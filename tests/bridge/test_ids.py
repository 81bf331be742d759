"""Identifiers: wire A3, `req_` + 24 or more url-safe characters."""

import re

from bridge.ids import mint


def test_ids_are_24_base62_characters() -> None:
    assert all(re.fullmatch("[A-Za-z0-9]{24}", mint()) for _ in range(500))


def test_no_two_are_alike() -> None:
    assert len({mint() for _ in range(2000)}) == 2000
