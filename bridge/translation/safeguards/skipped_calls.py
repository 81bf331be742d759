"""Calls that need no judge: those of tools that only read, and those that the user's rules allow.

``skipped`` is no leave to run. Claude Code then decides by its own rules alone, and sends a call
that they do not cover for a second look. So a rule that is read too narrowly here costs a judge's
time, one that is read too widely costs a turn, and neither lets a call run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridge.translation.json import JSON
from bridge.translation.safeguards import SKIPPED, Verdict
from bridge.translation.safeguards.tool_calls import FinishedCall

_READING = (
    "Read Glob Grep LS NotebookRead LSP ToolSearch TodoRead TodoWrite TaskGet TaskList TaskOutput "
    "BashOutput ListMcpResourcesTool AskUserQuestion EnterPlanMode ExitPlanMode"
)
READING = frozenset(_READING.split())
"""Tools of Claude Code that change nothing outside its own memory, and send nothing."""
SHELLS = frozenset({"Bash", "PowerShell"})
_AGENTS = frozenset({"Agent", "Task"})
READS_ONLY, ALLOWED = "reads_only", "allowed_by_rule"

MOST_RULES, LONGEST_RULE = 1_000, 1_000
_RULE = re.compile(r"([A-Za-z0-9_-]{1,200})(?:\((.{1,800})\))?")
_PLAIN = re.compile(r"[A-Za-z0-9_ ./:=@%+,-]{1,1000}")
"""A command of words alone: nothing in it that a shell reads as anything else."""
_HOST = re.compile(r"https?://([a-z0-9.-]{1,253})(?::[0-9]{1,5})?(?:[/?#].*)?", re.S)
_RUNNERS = (
    "bash sh zsh fish dash ksh env sudo doas su xargs eval exec nohup time timeout ssh docker "
    "podman kubectl python python3 node deno bun ruby perl php npx uvx pipx awk sed find make "
    "curl wget nc source . git-shell powershell pwsh cmd"
)
_RUNS_ANYTHING = frozenset(_RUNNERS.split())
"""Commands whose arguments may be any other command: a rule for all of them covers nothing."""


def skipped(call: FinishedCall, context: dict[str, JSON]) -> Verdict | None:
    """The verdict on a call that needs no judge; None for one that needs it."""
    if call.name in READING:
        return Verdict(SKIPPED, READS_ONLY)
    if call.input is None or call.is_cut or context.get("skipped_calls"):
        return None  # Claude Code names calls there that its rules did not cover after all
    restricted = {name for kind in ("ask", "deny") for name, _ in _rules(context, kind)}
    if call.name in restricted:
        return None
    allowed = any(_covers(rule, call, context) for rule in _rules(context, "allow"))
    return Verdict(SKIPPED, ALLOWED) if allowed else None


Rule = tuple[str, str]
"""The tool and what stands in parentheses behind it, "" for nothing."""


def _rules(context: dict[str, JSON], kind: str) -> Iterator[Rule]:
    rules = context.get("rules")
    listed = rules.get(kind) if isinstance(rules, dict) else None
    for entry in listed[:MOST_RULES] if isinstance(listed, list) else ():
        text = entry.get("rule") if isinstance(entry, dict) else None
        found = isinstance(text, str) and len(text) <= LONGEST_RULE and _RULE.fullmatch(text)
        if found:
            yield found[1], found[2] or ""


def _covers(rule: Rule, call: FinishedCall, context: dict[str, JSON]) -> bool:
    tool, content = rule
    if call.name in SHELLS:
        command = (call.input or {}).get("command")
        whole = tool == call.name and bool(content) and isinstance(command, str)
        return whole and not context.get("classify_all_shell") and _is_like(content, str(command))
    if not content:
        named = tool == call.name or (
            tool.startswith("mcp__") and call.name.startswith(f"{tool}__")
        )
        return named and call.name not in _AGENTS
    return tool == call.name == "WebFetch" and _is_at(content, (call.input or {}).get("url"))


def _is_like(pattern: str, command: str) -> bool:
    """Whether a rule's pattern covers a command: the same text, or its first words."""
    command = command.strip()
    if not _PLAIN.fullmatch(command):
        return False
    prefix = pattern.removesuffix(":*").removesuffix(" *")
    if prefix == pattern:
        return command == pattern
    words = prefix.split()
    if not words or words[0].rpartition("/")[2] in _RUNS_ANYTHING or not _PLAIN.fullmatch(prefix):
        return False
    return command == prefix or command.startswith(f"{prefix} ")


def _is_at(pattern: str, url: JSON) -> bool:
    found = _HOST.fullmatch(url.lower()) if isinstance(url, str) and len(url) < 2_000 else None
    return found is not None and pattern.lower() == f"domain:{found[1]}"
