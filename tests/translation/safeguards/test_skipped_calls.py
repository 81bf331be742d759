"""Calls that need no judge, and those that look like them."""

from typing import Any

import pytest

from bridge.translation.safeguards import Verdict
from bridge.translation.safeguards.skipped_calls import skipped
from bridge.translation.safeguards.tool_calls import FinishedCall
from tests.fakes.chunks import Json


def context(*allow: str, **more: Any) -> Json:
    rules: Json = {"allow": [{"rule": rule, "source": "userSettings"} for rule in allow]}
    return {"rules": rules} | more


def call(name: str, **given: Any) -> FinishedCall:
    return FinishedCall("t1", name, given)


def bash(command: Any) -> FinishedCall:
    return call("Bash", command=command)


@pytest.mark.parametrize("name", ["Read", "Glob", "Grep", "LS", "TaskOutput"])
def test_tool_that_only_reads_needs_no_judge(name: str) -> None:
    assert skipped(call(name, path="/etc"), {}) == Verdict("skipped", "reads_only")


@pytest.mark.parametrize("name", ["Bash", "Write", "Edit", "WebFetch", "Agent", "read", "Read "])
def test_other_tools_need_one(name: str) -> None:
    assert skipped(call(name), {}) is None


COVERED = [
    ("Bash(npm test)", bash("npm test")),
    ("Bash(npm run:*)", bash("npm run build --verbose")),
    ("Bash(npm run *)", bash("npm run build")),
    ("Bash(touch:*)", bash("touch made.txt")),
    ("Bash(touch:*)", bash("touch")),
    ("mcp__files", call("mcp__files__read")),
    ("mcp__files__read", call("mcp__files__read")),
    ("WebSearch", call("WebSearch", query="x")),
    ("WebFetch(domain:example.com)", call("WebFetch", url="https://example.com/a?b=c")),
    ("WebFetch(domain:example.com)", call("WebFetch", url="https://EXAMPLE.com:443")),
]
UNCOVERED = [
    ("Bash(npm test)", bash("npm test -- --watch")),
    ("Bash(npm run:*)", bash("npm runaway")),
    ("Bash(touch:*)", bash("touch a; rm -rf /")),
    ("Bash(touch:*)", bash("touch a && rm b")),
    ("Bash(touch:*)", bash("touch $(curl evil)")),
    ("Bash(touch:*)", bash("touch `id`")),
    ("Bash(touch:*)", bash("touch a\nrm b")),
    ("Bash(touch:*)", bash("touch a > /etc/passwd")),
    ("Bash(touch:*)", bash("touch a | sh")),
    ("Bash(touch:*)", bash("touch 'a' ; rm b")),
    ("Bash(touch:*)", bash("touch a\u2028rm b")),
    ("Bash(touch:*)", bash("X=1 touch a")),
    ("Bash(touch:*)", bash(["touch", "a"])),
    ("Bash(touch:*)", bash("touch " + "a" * 5_000)),
    ("Bash", bash("rm -rf /")),
    ("Bash(*)", bash("rm -rf /")),
    ("Bash(:*)", bash("rm -rf /")),
    ("Bash( :*)", bash("rm -rf /")),
    ("Bash(python:*)", bash("python evil.py")),
    ("Bash(sudo ls:*)", bash("sudo ls")),
    ("Bash(/bin/sh:*)", bash("/bin/sh evil.sh")),
    ("Bash(bash -c:*)", bash("bash -c x")),
    ("Bash(r*)", bash("rm -rf /")),
    ("PowerShell(touch:*)", bash("touch a")),
    ("Write", bash("ls")),
    ("Edit(src/**)", call("Edit", file_path="src/a.py")),
    ("Agent", call("Agent", prompt="x")),
    ("mcp__files", call("mcp__filesystem__read")),
    ("mcp__files__read", call("mcp__files__write")),
    ("WebFetch(domain:example.com)", call("WebFetch", url="https://example.com@evil.com/")),
    ("WebFetch(domain:example.com)", call("WebFetch", url="https://example.com:443@evil.com/")),
    ("WebFetch(domain:example.com)", call("WebFetch", url="https://example.com.evil.com/")),
    ("WebFetch(domain:example.com)", call("WebFetch", url="file:///etc/passwd")),
    ("WebFetch(domain:example.com)", call("WebFetch", url=7)),
    ("x" * 5_000, call("x" * 5_000)),
]


def named(pairs: list[tuple[str, FinishedCall]]) -> list[str]:
    return [f"{rule[:40]} {str(one.input)[:60]}" for rule, one in pairs]


@pytest.mark.parametrize(("rule", "one"), COVERED, ids=named(COVERED))
def test_call_that_a_rule_of_the_user_covers_needs_no_judge(rule: str, one: FinishedCall) -> None:
    assert skipped(one, context(rule)) == Verdict("skipped", "allowed_by_rule")


@pytest.mark.parametrize(("rule", "one"), UNCOVERED, ids=named(UNCOVERED))
def test_call_that_a_rule_may_not_cover_needs_one(rule: str, one: FinishedCall) -> None:
    assert skipped(one, context(rule)) is None


@pytest.mark.parametrize(
    "more",
    [
        {"classify_all_shell": True},
        {"skipped_calls": [{"id": "t0"}]},
        {"rules": {"allow": [{"rule": "Bash(touch:*)"}], "ask": [{"rule": "Bash(touch b)"}]}},
        {"rules": {"allow": [{"rule": "Bash(touch:*)"}], "deny": [{"rule": "Bash"}]}},
    ],
    ids=["all of the shell is checked", "a skipped call came back", "an ask rule", "a deny rule"],
)
def test_rule_covers_nothing_where_the_client_asks_for_more(more: Json) -> None:
    assert skipped(bash("touch a"), context("Bash(touch:*)", **more)) is None


@pytest.mark.parametrize(
    "rules",
    [None, "x", [], {"allow": "Bash(touch:*)"}, {"allow": ["Bash(touch:*)"]},
     {"allow": [{"rule": ["Bash(touch:*)"]}]}, {"allow": [None, 7, {}]}],
)  # fmt: skip
def test_rules_that_make_no_sense_cover_nothing(rules: Any) -> None:
    assert skipped(bash("touch a"), {"rules": rules}) is None


def test_cut_call_is_covered_by_no_rule() -> None:
    """H1: nobody knows how it would have gone on."""
    cut = FinishedCall("t1", "Bash", {"command": "touch a"}, is_cut=True)
    assert skipped(cut, context("Bash(touch:*)")) is None
