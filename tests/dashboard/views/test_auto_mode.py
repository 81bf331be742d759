"""The report on auto mode, and what the page of a request says of its verdicts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bridge.models import UsageRecord
from bridge.models.usage import JUDGE_CLASS
from tests.dashboard import reading
from tests.dashboard.making import NOW, SMALL, enter, issue_keys, record

pytestmark = pytest.mark.django_db

AUTO_MODE = reverse("dashboard:auto_mode")
HOUR = timedelta(hours=1)
CALLS = ("calls_flagged", "calls_not_flagged", "calls_skipped", "calls_unanswered")
VERDICTS: list[dict[str, Any]] = [
    {"call": "call_0", "tool": "Bash", "outcome": "flagged", "rule": "remote_code", "ms": 1200},
    {"call": "call_1", "tool": "Read", "outcome": "skipped", "reason": "reads_only"},
    {"call": "call_2", "tool": "Bash", "outcome": "unavailable", "reason": "timeout", "ms": 15000},
    {"call": "call_3", "tool": "<b>x", "outcome": "unavailable", "reason": "a new one"},
]


def judged(number: int, *counts: int, **told: Any) -> list[UsageRecord]:
    """A request with so many calls of each outcome, and that to its judge."""
    sums = dict(zip(CALLS, counts, strict=True))
    main = record(NOW - 2 * HOUR, number, detail={"verdicts": VERDICTS}, **sums, **told)
    judge = record(
        NOW - 2 * HOUR,
        number + 1,
        parent_id=main.request_id,
        request_class=JUDGE_CLASS,
        model=SMALL,
        input_tokens=700,
        cache_read_tokens=0,
        output_tokens=40,
        cost_nano_usd=2_000_000,
        **told,
    )
    return [main, judge]


def get(client: Client, path: str) -> reading.Node:
    answer = client.get(f"{path}?range=7d&tz=UTC")
    assert answer.status_code == 200
    return reading.page(answer)


@pytest.fixture
def some(backends: Any) -> list[UsageRecord]:
    issue_keys()
    plain = record(NOW - HOUR, 90, cost_nano_usd=999_000_000)
    return enter([*judged(1, 1, 5, 3, 1), *judged(3, 0, 2, 0, 0, key_id=2, key="maria"), plain])


def card(page: reading.Node, title: str) -> str:
    (found,) = page.all("section", aria_label=title)
    return found.text


def test_four_numbers_say_what_became_of_the_checks(
    auditor: Client, some: list[UsageRecord]
) -> None:
    """Ours: what is not judging does not count."""
    page = get(auditor, AUTO_MODE)
    checks = card(page, "Checks")
    assert " 12 " in checks
    assert "flagged 1" in checks
    assert "not flagged 7" in checks
    assert "skipped 3" in checks
    assert "unanswered 1" in checks
    assert "11" in card(page, "Flagged")  # 1 of 9
    cost = card(page, "Cost of judging")
    assert "$0.004" in cost
    assert "requests 2" in cost


def test_each_key_and_each_judge_has_a_line(auditor: Client, some: list[UsageRecord]) -> None:
    page = get(auditor, AUTO_MODE)
    lines = [row.text for row in page.all("tr")]
    (maria,) = (line for line in lines if "maria" in line.lower())
    assert "$0.002" in maria
    (judge,) = (line for line in lines if SMALL in line)
    assert "4.4\u202fs" in judge
    assert "1\u202f480" in judge
    assert "999" not in page.text


def test_page_without_judging_says_how_to_have_it(auditor: Client, backends: Any) -> None:
    issue_keys()
    enter([record(NOW - HOUR, 1)])
    page = get(auditor, AUTO_MODE)
    assert "No tool call was judged" in page.text
    assert "judge: MODEL" in page.text


def test_request_shows_its_verdicts_and_its_judge(auditor: Client, some: list[UsageRecord]) -> None:
    main, judge = some[:2]
    page = get(auditor, reverse("dashboard:request", args=[main.request_id]))
    (section,) = page.all("section", aria_label="Verdicts on its tool calls")
    lines = [row.text for row in section.all("tr")[1:]]
    assert ["flagged" in lines[0], "remote code" in lines[0], "1.2" in lines[0]] == [True] * 3
    assert "only reads" in lines[1]
    assert "JUDGE_SECONDS" in lines[2]
    assert "<b>x" in lines[3]
    assert "a new one" in lines[3]
    assert "740" in section.text
    assert "$0.002" in section.text
    (link,) = (a for a in section.all("a") if a.text == judge.request_id)
    assert judge.request_id in link.attrs["href"]


def test_request_of_a_judge_leads_to_the_judged_one(
    auditor: Client, some: list[UsageRecord]
) -> None:
    main, judge = some[:2]
    page = get(auditor, reverse("dashboard:request", args=[judge.request_id]))
    assert main.request_id in [a.text for a in page.all("a")]
    assert not page.all("section", aria_label="Verdicts on its tool calls")


def test_request_without_verdicts_has_no_such_section(auditor: Client) -> None:
    (row,) = enter([record(NOW - HOUR, 1)])
    page = get(auditor, reverse("dashboard:request", args=[row.request_id]))
    assert not page.all("section", aria_label="Verdicts on its tool calls")


def test_report_is_a_file_too(auditor: Client, some: list[UsageRecord]) -> None:
    answer = auditor.get(f"{AUTO_MODE}?range=7d&tz=UTC&format=csv&table=keys")
    text = b"".join(getattr(answer, "streaming_content", [answer.content])).decode()
    head, *lines = text.splitlines()
    assert {"checks", *CALLS, "cost_usd"} <= set(head.replace('"', "").split(","))
    assert len(lines) == 2
