"""One document of what fits a caller's models and of what its teams say."""

from typing import Any

import pytest

from bridge.client_settings.checking import faults
from bridge.client_settings.managed import general, policy
from bridge.client_settings.merging import merged
from bridge.client_settings.variables import YOUR_MODEL, ClientSetup, claude_code
from bridge.translation.profiles import ModelFacts

MODEL = "zai-org/GLM-4.5-Air"
CONNECTION = ClientSetup("http://gateway.test", MODEL, ModelFacts(MODEL, context=131072))
SWITCHES = {
    "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
    "CLAUDE_CODE_GATEWAY_HINT_HEADERS": "1",
    "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
}


def test_everybody_gets_model_window_hints_and_discovery() -> None:
    """Neither an address nor a key, which the client has."""
    families = ("OPUS", "SONNET", "FABLE", "HAIKU")
    assert general(CONNECTION) == {
        "model": MODEL,
        "env": {
            **{f"ANTHROPIC_DEFAULT_{family}_MODEL": MODEL for family in families},
            "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "131072",
            **SWITCHES,
        },
    }


def test_values_are_those_that_a_page_prints() -> None:
    printed = {each.name: each.value for each in claude_code(CONNECTION)}
    handed = general(CONNECTION)["env"]
    shared = printed.keys() & handed.keys()
    assert len(shared) == 7
    assert {name: printed[name] for name in shared} == {name: handed[name] for name in shared}


def test_gateway_without_a_model_names_none() -> None:
    setup = ClientSetup("http://gateway.test", YOUR_MODEL, ModelFacts(YOUR_MODEL))
    assert general(setup) == {"env": SWITCHES}


def test_small_window_starts_in_the_mode_that_asks() -> None:
    setup = ClientSetup("http://gateway.test", MODEL, ModelFacts(MODEL, context=32768))
    assert general(setup)["permissions"] == {"defaultMode": "default"}
    assert faults(general(setup)) == []


@pytest.mark.parametrize(
    ("weak", "strong", "both"),
    [
        ({"model": "a"}, {"model": "b"}, {"model": "b"}),
        ({"env": {"A": "1", "B": "1"}}, {"env": {"B": "2"}}, {"env": {"A": "1", "B": "2"}}),
        (
            {"availableModels": ["a"]},
            {"availableModels": ["b"]},
            {"availableModels": ["b"]},
        ),
        (
            {"permissions": {"deny": ["a", "b"], "allow": ["x"], "ask": ["c"]}},
            {"permissions": {"deny": ["b", "d"], "allow": ["y"]}},
            {"permissions": {"deny": ["a", "b", "d"], "allow": ["y"], "ask": ["c"]}},
        ),
        (
            {"deniedMcpServers": [{"serverName": "a"}]},
            {"deniedMcpServers": [{"serverName": "b"}, {"serverName": "a"}]},
            {"deniedMcpServers": [{"serverName": "a"}, {"serverName": "b"}]},
        ),
        (
            {"hooks": {"Stop": [{"hooks": [1]}], "PreToolUse": [{"hooks": [2]}]}},
            {"hooks": {"Stop": [{"hooks": [3]}]}},
            {"hooks": {"Stop": [{"hooks": [1]}, {"hooks": [3]}], "PreToolUse": [{"hooks": [2]}]}},
        ),
        (
            {"sandbox": {"a": {"x": 1}}},
            {"sandbox": {"a": {"y": 2}}},
            {"sandbox": {"a": {"x": 1, "y": 2}}},
        ),
        ({"env": {"A": "1"}}, {"env": {}}, {"env": {"A": "1"}}),
        (
            {"permissions": {"deny": ["a"]}},
            {"permissions": {"deny": []}},
            {"permissions": {"deny": ["a"]}},
        ),
    ],
)
def test_later_team_is_stronger_and_lifts_nothing_that_is_forbidden(
    weak: dict[str, Any], strong: dict[str, Any], both: dict[str, Any]
) -> None:
    assert merged([weak, strong]) == both


def test_team_stands_above_what_everybody_gets() -> None:
    team = {"model": "glm", "env": {"CLAUDE_CODE_GATEWAY_HINT_HEADERS": "0"}}
    made = policy("person 7", CONNECTION, [team])
    assert made.settings["model"] == "glm"
    assert made.settings["env"]["CLAUDE_CODE_GATEWAY_HINT_HEADERS"] == "0"
    assert made.settings["env"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "131072"


def test_policy_is_known_by_its_owner_and_its_content() -> None:
    one, other = (policy(owner, CONNECTION, []) for owner in ("person 7", "person 8"))
    assert one.uuid != other.uuid
    assert one.uuid == policy("person 7", CONNECTION, [{"model": "x"}]).uuid
    assert (
        one.checksum == other.checksum != policy("person 7", CONNECTION, [{"model": "x"}]).checksum
    )
    assert one.tag == f'"{one.checksum}"'


def test_telemetry_is_on_where_it_is_forwarded() -> None:
    """For those signals alone; a team may say otherwise."""
    env = policy("person 7", CONNECTION, [], ["metrics"]).settings["env"]
    assert {name: value for name, value in env.items() if "TEL" in name} == {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    off = {"env": {"CLAUDE_CODE_ENABLE_TELEMETRY": "0"}}
    settings = policy("person 7", CONNECTION, [off], ["metrics"]).settings
    assert settings["env"]["CLAUDE_CODE_ENABLE_TELEMETRY"] == "0"
    assert "OTEL" not in str(policy("person 7", CONNECTION, []).settings)
