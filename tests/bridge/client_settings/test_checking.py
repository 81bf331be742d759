"""What an operator may hand out: each fault is one sentence that names its key."""

from typing import Any

import pytest

from bridge.client_settings.checking import MOST_LEVELS, NO_OBJECT, faults, good_part
from bridge.client_settings.known_keys import KEYS

GOOD = {
    "$schema": "https://json.schemastore.org/claude-code-settings.json",
    "env": {"HTTPS_PROXY": "http://proxy:3128"},
    "model": "zai-org/GLM-4.5-Air",
    "availableModels": ["opus", "glm"],
    "permissions": {"deny": ["Read(./.env)"], "defaultMode": "plan", "newMember": 7},
    "cleanupPeriodDays": 20,
    "feedbackSurveyRate": 0.05,
    "includeCoAuthoredBy": False,
    "forceLoginMethod": "gateway",
    "hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": []}]},
    "modelOverrides": {"claude-opus-4-6": "glm"},
    "forceLoginOrgUUID": ["a", "b"],
}


def nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(levels):
        document = {"hooks": document}
    return document


def test_good_document_has_no_fault() -> None:
    assert faults(GOOD) == faults({}) == []
    assert good_part(GOOD) == GOOD


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ([], NO_OBJECT),
        (None, NO_OBJECT),
        ({"modle": "x"}, "modle: unknown key; do you mean model?"),
        ({"mcpServers": {}}, "mcpServers: unknown key; do you mean managedMcpServers?"),
        ({"zzz": 1}, "zzz: unknown key of Claude Code's managed settings."),
        ({"model": 1}, "model: expected a string."),
        ({"env": {"A": 1}}, "env: expected an object whose values are strings."),
        ({"verbose": "yes"}, "verbose: expected true or false."),
        ({"cleanupPeriodDays": 1.5}, "cleanupPeriodDays: expected a whole number."),
        ({"cleanupPeriodDays": True}, "cleanupPeriodDays: expected a whole number."),
        ({"feedbackSurveyRate": "1"}, "feedbackSurveyRate: expected a number."),
        ({"availableModels": [1]}, "availableModels: expected a list of strings."),
        ({"hooks": []}, "hooks: expected an object."),
        ({"deniedMcpServers": {}}, "deniedMcpServers: expected a list."),
        (
            {"forceLoginMethod": "gatway"},
            "forceLoginMethod: expected one of claudeai, console, gateway.",
        ),
        ({"permissions": {"deny": "Bash"}}, "permissions.deny: expected a list of strings."),
        ({"hooks": {"a": [{"__proto__": 1}]}}, "hooks: expected no member __proto__."),
        ({"sandbox": {"a": float("inf")}}, "sandbox: expected a number that JSON has."),
        (nested(MOST_LEVELS + 1), f"Nested more than {MOST_LEVELS} levels deep."),
    ],
)
def test_fault_names_its_key(document: Any, fault: str) -> None:
    assert faults(document) == [fault]
    assert good_part(document) == {}


def test_long_name_is_cut() -> None:
    (fault,) = faults({"x" * 100_000: 1})
    assert len(fault) < 200


def test_keys_beside_a_bad_one_are_kept() -> None:
    assert good_part({"modle": "x", "model": "y", "env": []}) == {"model": "y"}


def test_table_knows_the_keys_of_everyday() -> None:
    assert {"env", "permissions", "model", "availableModels", "modelPicker"} <= KEYS.keys()
    assert len(KEYS) > 190
