"""Sessions: one row each, and one of them turn by turn (pages, `/dashboard/sessions/`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bridge.models import UsageRecord, UsageSession
from dashboard.queries import sessions
from dashboard.views import one_session
from tests.dashboard import reading
from tests.dashboard.making import CODER, NOW, SMALL, enter, issue_keys, record

pytestmark = pytest.mark.django_db

LIST = reverse("dashboard:sessions")
NAME = "0f2b7c1e-93ab-4a6e-8d55-6c1f0a9b7e21"


def turn(number: int, **told: Any) -> UsageRecord:
    """A turn of maria's session, a minute after the one before."""
    own = {"session": NAME, "key_id": 2, "key": "maria", "client": "claude-cli/2.1.200"}
    at = NOW - timedelta(hours=2) + timedelta(minutes=number)
    return record(at, number, **{**own, **told})


def prompt(size: int, repeated: int, **told: Any) -> dict[str, Any]:
    """A turn with a prompt of so many bytes."""
    told.setdefault("cache_read_tokens", repeated // 4)
    new = size // 4 - told["cache_read_tokens"]
    return {"prompt_bytes": size, "repeated_bytes": repeated, "input_tokens": new, **told}


GROWING = (40_000, 80_000, 160_000, 320_000, 400_000)
COMPACTED = (50_000, 90_000)


@pytest.fixture
def worked(now: None, db: None) -> UsageSession:
    """Five turns that grow, a title in between, two after a compaction."""
    issue_keys()
    rows, last = [], 0
    for number, size in enumerate(GROWING + COMPACTED, 1):
        repeated = min(last, size) if size > last else 30_000
        tools = ["Bash", "Read"] if number % 2 else ["Bash"]
        rows.append(turn(number, **prompt(size, repeated), detail={"tools": tools}))
        last = size
    rows.append(turn(8, model=SMALL, cost_nano_usd=None, input_tokens=90, cache_read_tokens=0))
    enter(rows)
    return UsageSession.objects.get(session=NAME)


def one(client: Client, row: UsageSession, **query: str) -> reading.Node:
    path = reverse("dashboard:session", args=[row.pk])
    answer = client.get(path, {"tz": "Europe/Berlin", **query})
    assert answer.status_code == 200
    return reading.page(answer)


# --- the list -------------------------------------------------------------------------------------


def test_each_session_has_one_row_with_all_of_it(auditor: Client, worked: UsageSession) -> None:
    root = reading.page(auditor.get(LIST, {"tz": "UTC"}))
    (row,) = reading.table(root)
    told = {title: cell.text for title, cell in row.items()}
    assert told["Session"] == "0f2b7c1e…"
    assert row["Session"].first("span").attrs["title"] == NAME
    assert told["Key"] == "maria" and told["Turns"] == "8"
    assert told["Models"] == f"{SMALL}, {CODER}"
    sums = sessions.within(one_range()).get()
    assert sums.tokens == sum(  # type: ignore[attr-defined]
        r.input_tokens + r.cache_read_tokens + r.output_tokens for r in UsageRecord.objects.all()
    )
    assert told["Longest context"] == "100\u202fk"
    assert row["Session"].first("a").attrs["href"].startswith(f"{LIST}{worked.pk}/")


def one_range() -> Any:
    from zoneinfo import ZoneInfo

    from dashboard.usage import periods

    return periods.default(ZoneInfo("UTC"), NOW)


@pytest.mark.parametrize("column", ["last_at", "first_at", "requests", "tokens", "cost", "errors"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_sessions_are_sorted_page_by_page(auditor: Client, column: str, sign: str) -> None:
    """Also by tokens, a sum that no column has."""
    enter(
        record(NOW - timedelta(minutes=n % 7), n, session=f"s-{n:03}", input_tokens=n * 37 % 50)
        for n in range(60)
    )
    href, seen = f"{LIST}?tz=UTC&sort={sign}{column}", []
    while href:
        root = reading.page(auditor.get(href))
        seen += [row["Session"].first("a").text for row in reading.table(root)]
        following = root.all("a", rel="next")
        href = following[0].attrs["href"] if following else ""
    field = {"cost": "cost_nano_usd"}.get(column, column)
    rows = sessions.within(one_range()).order_by(f"{sign}{field}", f"{sign}pk")
    assert seen == [row.session for row in rows]


def test_a_session_belongs_to_its_key(auditor: Client, now: None) -> None:
    """The client chooses the name: two keys that choose the same have one session each."""
    issue_keys()
    enter([turn(1), turn(2, key_id=1, key="ci"), turn(3, key_id=1, key="ci")])
    rows = reading.table(reading.page(auditor.get(LIST, {"tz": "UTC"})))
    assert {row["Key"].text: row["Turns"].text for row in rows} == {"maria": "1", "ci": "2"}
    (mine,) = reading.table(reading.page(auditor.get(LIST, {"tz": "UTC", "key": "maria"})))
    root = reading.page(auditor.get(mine["Session"].first("a").attrs["href"]))
    assert [row["Turn"].text for row in reading.table(root)] == ["1"]


def test_a_session_that_began_before_counts_whole(auditor: Client, now: None) -> None:
    enter([turn(1), record(NOW - timedelta(days=3), 2, session=NAME, key_id=2, key="maria")])
    (row,) = reading.table(reading.page(auditor.get(LIST, {"tz": "UTC", "range": "24h"})))
    assert row["Turns"].text == "2"


def test_with_nothing_the_page_says_who_names_sessions(auditor: Client) -> None:
    text = reading.page(auditor.get(LIST)).first("main").text
    assert "x-claude-code-session-id" in text


# --- one session ----------------------------------------------------------------------------------


def test_the_first_numbers_are_what_it_cost_in_all(auditor: Client, worked: UsageSession) -> None:
    big = reading.big(one(auditor, worked))
    assert list(big) == ["Cost", "Tokens", "Read from cache", "Longest context"]
    assert big["Cost"] == "$0.0044"


def test_the_head_tells_whose_it_is_and_how_long(auditor: Client, worked: UsageSession) -> None:
    head = one(auditor, worked).first("div", class_="heading").text
    assert "8 turns in 7\u202fmin 0\u202fs" in head
    assert "by maria with claude-cli/2.1.200" in head
    assert NAME in head and "times in Europe/Berlin" in head


def test_the_context_is_drawn_turn_by_turn(auditor: Client, worked: UsageSession) -> None:
    drawn = reading.chart(one(auditor, worked), "context")
    assert drawn["labels"] == [str(n) for n in range(1, 9)]
    by_name = {series["name"]: series["values"] for series in drawn["series"]}
    sizes = [size / 4 for size in GROWING + COMPACTED]
    sums = [sum(values) for values in zip(*by_name.values(), strict=True)]
    assert sums[:7] == [size + 200 for size in sizes]
    assert drawn["titles"][0].startswith("Turn 1, Thu 20 Mar 2025, 13:24:45 CET")


def test_compactions_are_marked_and_listed(auditor: Client, worked: UsageSession) -> None:
    root = one(auditor, worked)
    assert reading.chart(root, "context")["marks"] == [{"slot": 5, "text": "compacted"}]
    told = root.first("section", aria_label="Compactions").first("li").text
    assert told.startswith("Turn 6,") and "100\u202fk → 12.7\u202fk" in told


def test_the_cost_is_drawn_by_model(auditor: Client, worked: UsageSession) -> None:
    drawn = reading.chart(one(auditor, worked), "cost")
    assert [series["name"] for series in drawn["series"]] == [CODER]
    assert drawn["series"][0]["values"] == [630_000e-9] * 7 + [0]


def test_tables_tell_turns_models_and_tools(auditor: Client, worked: UsageSession) -> None:
    root = one(auditor, worked)
    turns = reading.table(root)
    assert [row["Turn"].text for row in turns] == [str(n) for n in range(8, 0, -1)]
    assert turns[-1]["Tools"].text == "Bash, Read"
    assert turns[-1]["Turn"].first("a").attrs["href"].startswith("/dashboard/requests/req_")
    models = {row["Model"].text: row for row in reading.table(root, "models")}
    assert models[CODER]["Turns"].text == "7" and models[SMALL]["Cost"].text == "–"
    tools = [(row["Tool"].text, row["Calls"].text) for row in reading.table(root, "tools")]
    assert tools == [("Bash", "7"), ("Read", "4")]


def test_turns_tell_how_many_tools_were_added(auditor: Client, now: None) -> None:
    """Where none was there is no such column."""
    enter([turn(1), turn(2, tools_added=3, tool_lists_changed=1), turn(3)])
    rows = reading.table(one(auditor, UsageSession.objects.get(session=NAME)))
    assert [row["Tools added"].text for row in rows] == ["–", "3", "–"]
    UsageRecord.objects.update(tools_added=0)
    root = one(auditor, UsageSession.objects.get(session=NAME))
    assert "Tools added" not in reading.table(root)[0]


def test_a_file_has_the_turns(auditor: Client, worked: UsageSession) -> None:
    path = reverse("dashboard:session", args=[worked.pk])
    told = auditor.get(path, {"format": "json", "sort": "number"}).json()
    assert [row["number"] for row in told] == list(range(1, 9))
    assert told[0]["cost_usd"] == 0.00063


def test_a_long_session_is_a_line_and_its_newest_turns(
    auditor: Client, now: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_TURNS", 15)
    monkeypatch.setattr(one_session, "MOST_BARS", 10)
    enter(turn(n) for n in range(1, 21))
    root = one(auditor, UsageSession.objects.get())
    drawn = reading.chart(root, "context")
    assert (drawn["kind"], drawn["labels"][0], drawn["labels"][-1]) == ("lines", "6", "20")
    assert "5 older turns are in the sums above" in root.text


def test_a_session_whose_turns_are_deleted_keeps_its_sums(
    auditor: Client, worked: UsageSession
) -> None:
    UsageRecord.objects.all().delete()
    root = one(auditor, worked)
    assert reading.big(root)["Cost"] == "$0.0044"
    assert "older than what is kept" in root.text


def test_guessed_keys_of_a_session_are_one_of_nobodys(auditor: Client, now: None) -> None:
    """A refused key is summed as nobody, under whatever fingerprint the guess had."""
    refused = {"key_id": 0, "key": "key-abc", "status": 401, "model": "", "error_type": "x"}
    enter([turn(1, fingerprint="abc", **refused), turn(2, fingerprint="", **refused), turn(3)])
    nobody = UsageSession.objects.get(key_id=0)
    assert len(reading.table(one(auditor, nobody))) == 2


@pytest.mark.parametrize("path", ["999999", "0"])
def test_a_session_that_is_not_there_is_said(auditor: Client, path: str) -> None:
    answer = auditor.get(f"{LIST}{path}/")
    assert answer.status_code == 404
    assert "There is no such session" in reading.page(answer).text
