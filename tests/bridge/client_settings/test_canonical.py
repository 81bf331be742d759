"""The checksum is the one that a client computes over the settings that it holds."""

import hashlib
import json
import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.client_settings.canonical import canonical, checksum

NODE = shutil.which("node")
CLIENT = r"""
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value !== null && typeof value === "object") {
    const made = {};
    for (const name of Object.keys(value).sort()) made[name] = sorted(value[name]);
    return made;
  }
  return value;
}
let read = "";
process.stdin.on("data", (piece) => (read += piece));
process.stdin.on("end", () => {
  const written = read.split("\n").filter(Boolean).map((line) => sorted(JSON.parse(line)));
  process.stdout.write(written.map((value) => JSON.stringify(value)).join("\n"));
});
"""
"""What Claude Code 2.1.332 does before it hashes."""

CASES = [
    ("keys at every level", {"b": {"d": 1, "c": [{"f": 2, "e": 3}]}, "a": 4}),
    ("no white space", {"a": [1, "x y", None, True, False], "b": {}, "c": []}),
    ("letters of every script", {"Übung": "é", "日本": "\U0001f600", "a": "\u2028\u00a0"}),
    ("keys by UTF-16 units", {"\uff61": 1, "\U0001f600": 2, "z": 3, "Z": 4, "": 5}),
    ("keys that look like places", {"10": 1, "9": 2, "a": 3, "01": 4, "-1": 5, "4294967295": 6}),
    ("escapes", {"a": '"\\/\b\f\n\r\t\x00\x1f\x7f'}),
    ("half a character", {"a": "\ud83d", "b": "\ude00x", "\udfff": 1}),
    ("a character in two halves", {"a": "\ud83d\ude00"}),
    ("whole numbers", [0, -1, 2**53, 2**53 + 1, 10**20, 10**21, 123456789012345678901234567890]),
    (
        "fractions",
        [0.1, 1.0, -0.0, 1.5e300, 1e-6, 1e-7, 123e-8, 5e-324, 1e21, 1.7976931348623157e308],
    ),
    ("too large", [10**400, -(10**400)]),
]
JSON_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | JSON_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(JSON_TEXT, inner, max_size=4),
    max_leaves=12,
)


def by_client(values: list[Any]) -> list[str]:
    assert NODE is not None
    lines = "\n".join(json.dumps(value) for value in values)
    done = subprocess.run(
        [NODE, "-e", CLIENT], input=lines, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split("\n")


def test_checksum_is_of_sorted_keys_without_white_space() -> None:
    """Gateway contract 5."""
    settings = {"model": "m", "env": {"B": "2", "A": "é"}}
    expected = '{"env":{"A":"é","B":"2"},"model":"m"}'
    assert canonical(settings) == expected
    assert checksum(settings) == f"sha256:{hashlib.sha256(expected.encode()).hexdigest()}"


@pytest.mark.skipif(NODE is None, reason="no node on PATH")
def test_form_is_the_clients_to_the_byte() -> None:
    values = [value for _, value in CASES]
    for (name, value), expected in zip(CASES, by_client(values), strict=True):
        assert canonical(value) == expected, name


@pytest.mark.skipif(NODE is None, reason="no node on PATH")
def test_form_of_anything_is_the_clients() -> None:
    """Hundreds of documents at once, for one start of a program."""
    made: list[Any] = []

    @given(JSON_VALUES)
    def collect(value: Any) -> None:
        made.append(value)

    collect()
    for value, expected in zip(made, by_client(made), strict=True):
        assert canonical(value) == expected, value


@given(JSON_VALUES)
def test_order_of_keys_changes_nothing(value: Any) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: turned(value[name]) for name in reversed(value)}
        return [turned(each) for each in value] if isinstance(value, list) else value

    assert canonical(turned(value)) == canonical(value)


@given(JSON_VALUES)
def test_form_is_json_in_utf8_and_stays_itself(value: Any) -> None:
    text = canonical(value)
    assert canonical(json.loads(text.encode())) == text
