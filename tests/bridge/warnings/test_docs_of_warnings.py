"""docs/how-to/warnings.md: its example verifies what is sent, and its tables are complete."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.models.warnings.kinds import WARNING_KINDS
from bridge.models.warnings.rules import new_secret
from bridge.warnings import outbox, webhook

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/how-to/warnings.md").read_text(encoding="utf-8")
BODY = b'{"id":"evt_1","text":"x"}'


@pytest.fixture(scope="module")
def is_genuine() -> Any:
    """The function of the example."""
    example = re.search(r"```python\n(.+?)```", PAGE, re.S)
    assert example is not None
    names: dict[str, Any] = {}
    exec(example[1], names)  # noqa: S102 - our own page
    return names["is_genuine"]


def test_example_takes_what_the_gateway_sends(is_genuine: Any) -> None:
    secret = new_secret()
    lines = webhook.headers(secret, "evt_1", int(time.time()), BODY)
    assert is_genuine(secret, lines, BODY)


@pytest.mark.parametrize("what", ["body", "id", "time", "secret", "old"])
def test_example_refuses_everything_else(is_genuine: Any, what: str) -> None:
    secret, now = new_secret(), int(time.time())
    lines = webhook.headers(secret, "evt_1", now - (400 if what == "old" else 0), BODY)
    changed = {"id": {"webhook-id": "evt_2"}, "time": {"webhook-timestamp": str(now + 1)}}
    body = BODY + b" " if what == "body" else BODY
    key = new_secret() if what == "secret" else secret
    assert not is_genuine(key, lines | changed.get(what, {}), body)


def test_every_kind_and_its_default_is_in_the_table() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| [%\w]+ \| ([\d, ]+) \|", PAGE, re.M))
    defaults = {name: ", ".join(map(str, kind.thresholds)) for name, kind in WARNING_KINDS.items()}
    assert rows == defaults


def test_every_type_is_in_the_table() -> None:
    source = "".join(
        (ROOT / f"bridge/warnings/{name}.py").read_text(encoding="utf-8")
        for name in ("readings", "events")
    )
    types = set(re.findall(r'"((?:budget|backend|errors|key|ledger|disk)\.\w+)"', source))
    cells = re.findall(r"^\| (`\w+\.\w+`[^|]*) \| `", PAGE, re.M)
    assert types == set(re.findall(r"`(\w+\.\w+)`", " ".join(cells))) - {"subject.kind"}


def test_pauses_are_those_of_the_page() -> None:
    assert outbox.PAUSES == (5, 30, 2 * 60, 10 * 60, 30 * 60, 3600, 2 * 3600, 4 * 3600)
    words = "after 5 and 30 seconds, 2, 10 and 30 minutes, 1, 2 and 4 hours"
    assert words in PAGE and "After 24 hours it is given up" in PAGE
