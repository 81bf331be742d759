"""What a request is for: Claude Code's headers, what is taken without them, hostile values."""

from __future__ import annotations

import pytest

from bridge.translation.request import purpose
from bridge.translation.request.purpose import REQUEST_CLASSES, SMALL_REQUEST, read_purpose

SESSION = {"x-claude-code-session-id": "7d0f3c52-5a0e-4d0b-9a54-0c1f5c8f7a11"}


def hinted(**headers: str) -> dict[str, str]:
    """A session's headers and these of Claude Code, with `_` for `-` in their names."""
    named = {f"x-claude-code-{name.replace('_', '-')}": v for name, v in headers.items()}
    return SESSION | named


# --- the class --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REQUEST_CLASSES)
def test_the_class_that_a_client_names_is_taken(name: str) -> None:
    assert read_purpose(hinted(request_class=name)).request_class == name


def test_case_of_a_class_does_not_matter() -> None:
    assert read_purpose(hinted(request_class="SubAgent")).request_class == "subagent"
    assert read_purpose(hinted(request_class="Judge")).request_class == "main"


def test_a_named_class_wins_over_what_the_request_looks_like() -> None:
    headers = hinted(request_class="main", agent_id="a1b2")
    assert read_purpose(headers, 100, has_tools=False).request_class == "main"


def test_no_client_is_taken_for_the_gateways_own_judge() -> None:
    """Ours: what judging costs stays apart from what clients use."""
    assert read_purpose({"x-claude-code-request-class": "judge"}).request_class == ""


def test_a_class_that_a_later_client_names_is_kept() -> None:
    assert read_purpose(hinted(request_class="review-v2")).request_class == "review-v2"


@pytest.mark.parametrize(
    ("headers", "size", "has_tools", "expected"),
    [
        ({}, 100, False, ""),
        ({}, 90_000, True, ""),
        (hinted(agent_id="a1b2"), 30_000, True, "subagent"),
        (hinted(agent_id="a1b2"), 100, False, "subagent"),
        (hinted(compaction="auto"), 400_000, True, "compaction"),
        (hinted(compaction="auto", agent_id="a1b2"), 400_000, True, "compaction"),
        (SESSION, 4_000, False, "auxiliary"),
        (SESSION, SMALL_REQUEST, False, "auxiliary"),
        (SESSION, SMALL_REQUEST + 1, False, "main"),
        (SESSION, 4_000, True, "main"),
        (SESSION, 60_000, True, "main"),
    ],
)
def test_without_hints_agent_size_and_tools_decide(
    headers: dict[str, str], size: int, has_tools: bool, expected: str
) -> None:
    assert read_purpose(headers, size, has_tools=has_tools).request_class == expected


def test_a_request_whose_body_cannot_be_read_is_no_side_call() -> None:
    assert read_purpose(SESSION).request_class == "main"


def test_a_client_without_a_session_has_no_purpose() -> None:
    assert read_purpose({"user-agent": "curl/8"}, 50, has_tools=False) == purpose.UNKNOWN


# --- the other headers ------------------------------------------------------------------------


def test_agents_prompt_and_compactions_are_read() -> None:
    headers = hinted(
        request_class="subagent",
        agent_type="Explore",
        agent_id="a1b2c3",
        parent_agent_id="b4@team",
        prompt_id="0b7c7a0e-2f70-4a41-9d55-5c2f0f4f3d11",
        compaction="reactive",
        context_compacted=" manual ",
    )
    read = read_purpose(headers)
    assert (read.agent_type, read.agent_id, read.parent_agent_id) == (
        "Explore",
        "a1b2c3",
        "b4@team",
    )
    assert read.prompt_id == "0b7c7a0e-2f70-4a41-9d55-5c2f0f4f3d11"
    assert (read.compaction, read.compacted) == ("reactive", "manual")


HOSTILE = (
    "",
    " ",
    "x" * 65,
    "main\r\nset-cookie: a=b",
    "a\x00b",
    "\x1b[31mred",
    "\u202eniam",
    "ma\u00efn",
    "two words",
)
MARKUP = ("<script>alert(1)</script>", "'; DROP TABLE usage; --", "../../etc/passwd", "-rf")


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("header", "member"),
    [
        ("agent_id", "agent_id"),
        ("parent_agent_id", "parent_agent_id"),
        ("prompt_id", "prompt_id"),
        ("agent_type", "agent_type"),
        ("compaction", "compaction"),
        ("context_compacted", "compacted"),
    ],
)
def test_a_value_that_is_long_or_not_printable_is_dropped(
    header: str, member: str, value: str
) -> None:
    assert getattr(read_purpose(hinted(**{header: value})), member) == ""


@pytest.mark.parametrize("value", [*MARKUP, *HOSTILE])
def test_a_class_or_type_that_is_no_word_is_dropped(value: str) -> None:
    read = read_purpose(hinted(request_class=value, agent_type=value, context_compacted=value))
    assert (read.request_class, read.agent_type, read.compacted) == ("main", "", "")


# --- durations --------------------------------------------------------------------------------


def durations(text: str) -> dict[str, int]:
    headers = {"x-claude-code-prev-tool-durations": text}
    return dict(read_purpose(headers).tool_milliseconds)


def test_durations_are_read_by_tool() -> None:
    assert durations("Bash=742;Read=9") == {"Bash": 742, "Read": 9}
    assert durations(" Bash = 742 ; Read=9;") == {"Bash": 742, "Read": 9}


def test_names_of_tools_are_percent_decoded() -> None:
    encoded = "mcp__a%3Bb%3Dc%2C%20d%25=5;caf%C3%A9=6"
    assert durations(encoded) == {"mcp__a;b=c, d%": 5, "café": 6}


def test_calls_of_one_tool_are_added_up() -> None:
    assert durations("Bash=700;Read=9;Bash=42") == {"Bash": 742, "Read": 9}


def test_at_most_32_entries_are_read() -> None:
    text = ";".join(f"T{i}={i}" for i in range(100))
    assert durations(text) == {f"T{i}": i for i in range(32)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";;;",
        "Bash",
        "Bash=",
        "=5",
        "Bash=-1",
        "Bash=1.5",
        "Bash=1e9",
        "Bash=٣",
        "Bash=1_000",
        "Bash=" + "9" * 10,
        "Bash=" + "9" * 4000,
        "%00=5",
        "%0D%0Aset-cookie=5",
        "%1B%5B31m=5",
        "N" * 129 + "=5",
        "Bash=1;" * 600,
        "%FF%FE=x",
    ],
)
def test_entries_that_are_no_durations_are_left_out(text: str) -> None:
    assert durations(text) == {}


def test_a_broken_entry_takes_none_with_it() -> None:
    assert durations("Bash=x;Read=9;%zz=1") == {"Read": 9, "%zz": 1}
