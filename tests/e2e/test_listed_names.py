"""What a limited key is shown is what it gets: each listed name is asked for, with a real key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.bridge.making import BETA
from tests.conftest import starting
from tests.fakes.backend import ALPHA, FAMILY, FakeBackend
from tests.fakes.client import RawClient
from tests.fakes.gateway import Gateway
from tests.fakes.issuing import issue

CLAUDE_CODE = {"user-agent": "claude-code/2.1.328"}
ALIASES = {"claude-*": ALPHA, "public-fast": BETA, "internal": ALPHA}
KEYS: dict[str, dict[str, Any]] = {
    "globs": {"allowed": "test/be*\npublic-*"},
    "claude": {"allowed": "claude-*"},
    "exact": {"allowed": "claude-sonnet-4-5\ninternal"},
    "unknown": {"allowed": "gpt-*"},
    "budget": {"budget_usd": 5, "unpriced": "refuse"},
}
SEEN: dict[str, list[str]] = {
    "globs": ["public-fast", BETA],
    "claude": ["claude-alpha"],
    "exact": ["internal", "claude-sonnet-4-5"],
    "unknown": [],
    "budget": [],
}


@pytest.fixture(scope="module")
def served(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, dict[str, str]]]:
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start()
        gateway.configure(
            aliases=[
                {"pattern": pattern, "targets": [{"backend": "main", "model": model}]}
                for pattern, model in ALIASES.items()
            ]
        )
        yield gateway, issue(gateway, **KEYS)


def listed(client: RawClient, limit: int, headers: dict[str, str] | None = None) -> list[str]:
    """Every id, page by page."""
    ids: list[str] = []
    after = ""
    while True:
        page = client.get(f"/v1/models?limit={limit}{after}", headers).json
        ids += [entry["id"] for entry in page["data"]]
        if not page["has_more"]:
            return ids
        after = f"&after_id={quote(ids[-1], safe='')}"


@pytest.mark.parametrize("key", KEYS)
def test_limited_key_gets_what_it_is_shown(
    served: tuple[Gateway, dict[str, str]], backend: FakeBackend, key: str
) -> None:
    gateway, keys = served
    client = gateway.with_key(keys[key])
    plain, picked = listed(client, 1), listed(client, 1000, CLAUDE_CODE)
    assert plain == SEEN[key]
    assert picked == [f"anthropic/{name}" for name in SEEN[key]]
    for name in (*plain, *picked):
        assert client.messages(model=name).status == 200, name
        found = client.get(f"/v1/models/{quote(name, safe='')}")
        assert (found.status, found.json["id"]) == (200, name)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "name", [*FAMILY, *ALIASES, "claude-opus-4-1", "anthropic/claude-opus-4-1[1m]", "gpt-5"]
)
def test_model_is_told_where_it_is_served_and_nowhere_else(
    served: tuple[Gateway, dict[str, str]], backend: FakeBackend, key: str, name: str
) -> None:
    gateway, keys = served
    client = gateway.with_key(keys[key])
    answered = client.messages(model=name).status
    told = client.get(f"/v1/models/{quote(name, safe='')}").status
    assert (answered == 200, told) in ((True, 200), (False, 404))
