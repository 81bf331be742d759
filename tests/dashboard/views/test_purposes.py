"""What requests were for, on the pages: overview, requests, one request, one session."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bridge.models import UsageRecord, UsageSession
from bridge.translation.request.purpose import REQUEST_CLASSES
from dashboard.display.purposes import CLASSES
from tests.dashboard import reading
from tests.dashboard.making import NOW, SMALL, enter, record

pytestmark = pytest.mark.django_db

HOME, LIST = reverse("dashboard:overview"), reverse("dashboard:requests")
SESSION = "0f2b7c1e-93ab-4a6e-8d55-6c1f0a9b7e21"
FIRST, SECOND = "11111111-aaaa-4000-8000-000000000001", "22222222-aaaa-4000-8000-000000000002"
HOSTILE = "<script>alert(1)</script>\"'"


def turn(number: int, request_class: str = "main", **fields: Any) -> UsageRecord:
    """A request of one session, a minute after the one before."""
    own = {"session": SESSION, "key_id": 2, "key": "maria", "request_class": request_class}
    at = NOW - timedelta(minutes=30 - number)
    return record(at, number, **{"prompt_id": FIRST, **own, **fields})


@pytest.fixture
def worked(now: None, db: None) -> UsageSession:
    """Two prompts: a title, two sub-agents within each other, a compaction."""
    plan = {"agent_type": "Plan", "agent_id": "agent-0001-plan"}
    explore = {"agent_type": "Explore", "agent_id": "agent-0002-explore"}
    enter(
        [
            turn(1, "auxiliary", model=SMALL, cost_nano_usd=None),
            turn(2, detail={"tools": ["Agent"]}),
            turn(3, "subagent", **plan),
            turn(4, "subagent", **explore, parent_agent_id="agent-0001-plan"),
            turn(5, "subagent", **plan, tool_milliseconds={"Agent": 61_000}),
            turn(6, tool_milliseconds={"Bash": 742, "Read": 9}, input_tokens=90_000),
            turn(7, "compaction", compaction="auto", prompt_id=SECOND),
            turn(8, compacted="auto", prompt_id=SECOND),
            turn(9, prompt_id=SECOND, tool_milliseconds={"Bash": 12}),
        ]
    )
    return UsageSession.objects.get()


def one(client: Client, row: UsageSession, **query: str) -> reading.Node:
    path = reverse("dashboard:session", args=[row.pk])
    answer = client.get(path, {"tz": "UTC", **query})
    assert answer.status_code == 200
    return reading.page(answer)


def texts(root: reading.Node, anchor: str = "table") -> list[dict[str, str]]:
    return [{t: cell.text for t, cell in row.items()} for row in reading.table(root, anchor)]


def follow(client: Client, cell: reading.Node) -> reading.Node:
    answer = client.get(cell.first("a").attrs["href"].partition("#")[0])
    assert answer.status_code == 200
    return reading.page(answer)


# --- the overview -------------------------------------------------------------------------------


def test_every_class_has_a_name() -> None:
    assert {*REQUEST_CLASSES, ""} <= CLASSES.keys()


def test_overview_says_what_each_class_cost(auditor: Client, worked: UsageSession) -> None:
    root = reading.page(auditor.get(HOME, {"tz": "UTC"}))
    rows = {row["For"]: row for row in texts(root, "classes")}
    assert {name: row["Requests"] for name, row in rows.items()} == {
        "Main conversation": "4",
        "Sub-agents": "3",
        "Compaction": "1",
        "Titles and other side calls": "1",
    }
    assert rows["Sub-agents"]["Of the cost"] == "38\u202f%"
    assert rows["Titles and other side calls"]["Cost"] == "–"
    said = root.first("section", id="classes").text
    assert "Sub-agents, compaction and side calls cost $0.0025, 50\u202f% of all." in said


def test_numbers_of_a_class_lead_to_its_requests(auditor: Client, worked: UsageSession) -> None:
    enter([record(NOW, 20), record(NOW, 21, request_class="of-tomorrow")])
    root = reading.page(auditor.get(HOME, {"tz": "UTC"}))
    for row in reading.table(root, "classes"):
        shown = reading.table(follow(auditor, row["For"]))
        assert str(len(shown)) == row["Requests"].text
    assert {row["For"].text for row in reading.table(root, "classes")} >= {"Other", "Not known"}


def test_overview_of_other_clients_has_no_such_block(auditor: Client, now: None) -> None:
    enter([record(NOW, 1)])
    assert not reading.page(auditor.get(HOME)).all("section", id="classes")


def test_classes_are_exported(auditor: Client, worked: UsageSession) -> None:
    told = auditor.get(HOME, {"format": "json", "table": "classes", "sort": "requests"}).json()
    assert sum(row["requests"] for row in told) == 9
    assert {row["request_class"]: row["cost_usd"] for row in told}["subagent"] == 0.00189


# --- requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"request_class": "subagent"}, [5, 4, 3]),
        ({"agent_id": "agent-0001-plan"}, [5, 3]),
        ({"agent_type": "Explore"}, [4]),
        ({"prompt_id": SECOND, "session": SESSION}, [9, 8, 7]),
        ({"compaction": "auto"}, [7]),
        ({"request_class": "unknown"}, []),
        ({"request_class": HOSTILE}, []),
    ],
)
def test_requests_are_found_by_what_they_were_for(
    auditor: Client, worked: UsageSession, query: dict[str, str], numbers: list[int]
) -> None:
    told = auditor.get(LIST, {"format": "json", **query}).json()
    assert [row["request_id"] for row in told] == [f"req_{n:012}" for n in numbers]
    answer = auditor.get(LIST, query)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()


def test_files_have_all_of_it(auditor: Client, worked: UsageSession) -> None:
    rows = {row["request_id"]: row for row in auditor.get(LIST, {"format": "json"}).json()}
    explore, main = rows["req_000000000004"], rows["req_000000000006"]
    assert explore["request_class"] == "subagent"
    assert (explore["agent_type"], explore["agent_id"]) == ("Explore", "agent-0002-explore")
    assert (explore["parent_agent_id"], explore["prompt_id"]) == ("agent-0001-plan", FIRST)
    assert main["tool_milliseconds"] == {"Bash": 742, "Read": 9}
    text = auditor.get(LIST, {"format": "csv"}).content.decode()
    read = {row["request_id"]: row for row in csv.DictReader(io.StringIO(text))}
    assert read["req_000000000006"]["tool_milliseconds"] == "Bash=742;Read=9"
    assert read["req_000000000008"]["compacted"] == "auto"


def test_a_tool_named_like_a_formula_is_text_in_a_file(auditor: Client, now: None) -> None:
    enter([turn(1, tool_milliseconds={"=1+1": 5}, agent_id="@cmd")])
    text = auditor.get(LIST, {"format": "csv"}).content.decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["tool_milliseconds"], row["agent_id"]) == ("'=1+1=5", "'@cmd")


# --- one request --------------------------------------------------------------------------------


def test_one_request_says_what_it_was_for(auditor: Client, worked: UsageSession) -> None:
    def facts(number: int) -> dict[str, reading.Node]:
        path = reverse("dashboard:request", args=[f"req_{number:012}"])
        card = reading.page(auditor.get(path)).first("section", aria_label="Who and what")
        return {div.first("dt").text: div.first("dd") for div in card.first("dl").all("div")}

    agent = facts(4)
    assert agent["For"].text == "Sub-agents"
    assert agent["Agent"].text == "Explore agent-0002-explore"
    assert len(reading.table(follow(auditor, agent["Started by agent"]))) == 2
    assert len(reading.table(follow(auditor, agent["Prompt of the user"]))) == 6
    assert facts(6)["Tools ran before"].text == "Bash 742\u202fms, Read 9\u202fms"
    assert facts(7)["Summarises"].text == "a compaction (auto)"
    assert facts(8)["Context before it"].text == "was compacted (auto)"


# --- one session --------------------------------------------------------------------------------


def test_agents_of_a_session_are_a_tree_with_their_cost(
    auditor: Client, worked: UsageSession
) -> None:
    root = one(auditor, worked)
    lines = texts(root, "agents")
    assert [(line["Who"], line["Requests"]) for line in lines] == [
        ("Main conversation", "4"),
        ("Titles and other side calls", "1"),
        ("Compaction", "1"),
        ("Plan agent-00…", "2"),
        ("Explore agent-00…", "1"),
    ]
    cells = reading.table(root, "agents")
    assert [cell["Who"].first("span").attrs["class"][-1] for cell in cells] == list("00012")
    assert (lines[3]["Cost"], lines[3]["With its agents"]) == ("$0.0013", "$0.0019")
    assert lines[4]["With its agents"] == "–"


def test_lines_of_the_tree_lead_to_their_turns_and_requests(
    auditor: Client, worked: UsageSession
) -> None:
    for line in reading.table(one(auditor, worked), "agents"):
        assert str(len(reading.table(follow(auditor, line["Who"])))) == line["Requests"].text
        assert str(len(reading.table(follow(auditor, line["Requests"])))) == line["Requests"].text


def test_turns_are_grouped_by_the_prompt_of_the_user(auditor: Client, worked: UsageSession) -> None:
    root = one(auditor, worked)
    second, first = texts(root, "prompts")
    assert (first["Prompt"], first["Requests"], first["Sub-agents"]) == ("1", "6", "2")
    assert (second["Requests"], second["Compacted"]) == ("3", "1")
    (cell, _) = reading.table(root, "prompts")
    turns = texts(follow(auditor, cell["Prompt"]))
    assert [row["Turn"] for row in turns] == ["9", "8", "7"]
    assert len(reading.table(follow(auditor, cell["Requests"]))) == 3


def test_a_turn_says_who_sent_it_and_how_long_tools_ran_before(
    auditor: Client, worked: UsageSession
) -> None:
    root = one(auditor, worked)
    by_number = {row["Turn"]: row for row in texts(root)}
    assert by_number["6"]["Ran before"] == "Bash 742\u202fms, Read 9\u202fms"
    assert by_number["8"]["Ran before"] == "–"
    assert by_number["4"]["Sent by"] == "Explore agent-00…"
    assert by_number["7"]["Sent by"] == "compaction (auto)"
    tools = {row["Tool"]: row for row in texts(root, "tools")}
    assert tools["Bash"]["Longest between turns"] == "742\u202fms"
    assert tools["Agent"]["Calls"] == "1"


def test_reported_compactions_are_marked(auditor: Client, worked: UsageSession) -> None:
    root = one(auditor, worked)
    assert reading.chart(root, "context")["marks"] == [{"slot": 7, "text": "compacted"}]
    said = root.first("section", aria_label="Compactions").first("li").text
    assert said.startswith("Turn 8,") and "auto" in said


def test_a_session_without_hints_has_its_agents_all_the_same(auditor: Client, now: None) -> None:
    enter([turn(1, prompt_id=""), turn(2, "subagent", agent_id="a1", prompt_id="")])
    root = one(auditor, UsageSession.objects.get())
    assert [line["Who"] for line in texts(root, "agents")] == ["Main conversation", "sub-agent a1"]
    assert "CLAUDE_CODE_GATEWAY_HINT_HEADERS=1" in root.first("section", id="prompts").text
    assert "Ran before" not in texts(root)[0]


def test_whatever_clients_send_is_shown_as_text(auditor: Client, now: None) -> None:
    names = ("agent_type", "agent_id", "parent_agent_id", "prompt_id", "compaction", "compacted")
    fields = dict.fromkeys(names, HOSTILE)
    enter(
        [
            turn(1, HOSTILE, **fields, tool_milliseconds={HOSTILE: 7}),
            turn(2, HOSTILE, **{**fields, "agent_id": "b"}, tool_milliseconds={HOSTILE: 7}),
            turn(3, HOSTILE, **{**fields, "agent_id": ""}),
        ]
    )
    session = reverse("dashboard:session", args=[UsageSession.objects.get().pk])
    paths = [HOME, LIST, session, reverse("dashboard:request", args=["req_000000000001"])]
    for path in paths:
        answer = auditor.get(path, {"request_class": HOSTILE} if path == LIST else {})
        text = answer.content.decode()
        assert answer.status_code == 200
        assert "<script>alert" not in text and "alert(1)</script>" not in text
        reading.page(answer)
    assert HOSTILE in reading.page(auditor.get(session)).text
    assert len(reading.table(reading.page(auditor.get(LIST, {"agent_id": HOSTILE})))) == 1
