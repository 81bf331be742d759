"""The list of requests and the page of one (pages, `/dashboard/requests/`)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bridge.models import ApiKey, KeyLabel, UsageRecord, UsageSession
from tests.dashboard import reading
from tests.dashboard.making import CODER, FORWARDED, NOW, enter, issue_keys, month, record
from tests.dashboard.months import clear

pytestmark = pytest.mark.django_db

LIST = reverse("dashboard:requests")


def minutes(number: float) -> Any:
    return NOW - timedelta(minutes=number)


def shown(client: Client, **query: str) -> list[dict[str, reading.Node]]:
    answer = client.get(LIST, {"tz": "UTC", **query})
    assert answer.status_code == 200
    root = reading.page(answer)
    if not root.all("tbody"):
        return []
    return reading.table(root)


def ids(rows: Iterable[dict[str, reading.Node]]) -> list[str]:
    """The numbers at the end of the requests' ids."""
    links = [row["Time"].first("a").attrs["href"] for row in rows]
    return [link.partition("?")[0].strip("/").rpartition("_")[2].lstrip("0") for link in links]


TEAM = {"fingerprint": FORWARDED, "key": f"key-{FORWARDED}"}
VARIED: tuple[dict[str, Any], ...] = (
    {"status": 200, "model": "a/one", "backend": "main", "session": "s-1", "key_id": 1},
    {"status": 499, "model": "a/one", "backend": "main", "session": "s-2", "key_id": 2},
    {"status": 404, "model": "", "backend": "", "error_type": "not_found_error", "key_id": 1},
    {"status": 529, "model": "b", "backend": "spare", "error_type": "overloaded_error"},
    {"status": 200, "model": "b", "backend": "spare", "key_id": 0} | TEAM,
    {"status": 401, "model": "", "key_id": 0, "key": "", "error_type": "authentication_error"},
    {"status": 200, "model": "b", "key_id": 77, "key": "old-one"},
)


@pytest.fixture
def varied(now: None, db: None) -> None:
    issue_keys()
    enter(record(minutes(n), n, **told) for n, told in enumerate(VARIED, 1))


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("outcome", "answered", "1 5 7"),
        ("outcome", "abandoned", "2"),
        ("outcome", "refused", "3 6"),
        ("outcome", "error", "4"),
        ("status", "404", "3"),
        ("error_type", "overloaded_error", "4"),
        ("model", "a/one", "1 2"),
        ("backend", "spare", "4 5"),
        ("session", "s-2", "2"),
        ("key", "ci", "1 3 4"),
        ("key", "maria", "2"),
        ("key", f"key-{FORWARDED}", "5"),
        ("key", "no valid key", "6"),
        ("key", "old-one (deleted)", "7"),
    ],
)
def test_a_click_on_a_value_shows_what_shares_it(
    auditor: Client, varied: None, name: str, value: str, found: str
) -> None:
    """Each value of a filtered column is a link to exactly the rows that have it."""
    rows = shown(auditor, **{name: value})
    assert ids(rows) == found.split()
    whole = reading.page(auditor.get(LIST, {"tz": "UTC"})).first("tbody")
    hrefs = [a.attrs["href"] for a in whole.all("a", class_="filter")]
    (link, *_) = [h for h in hrefs if f"{name}=" in h and ids_of(auditor, h) == found.split()]
    assert link.startswith(LIST)


def ids_of(client: Client, href: str) -> list[str]:
    return ids(reading.table(reading.page(client.get(href))))


@pytest.mark.parametrize(
    "query",
    [
        {"outcome": "splendid"},
        {"status": "many"},
        {"status": "99999999999999999999"},
        {"session": "\x00"},
        {"key": "\x00"},
        {"key": "nobody of this name"},
        {"model": "2025-03-20"},
    ],
    ids=str,
)
def test_a_value_that_no_request_has_finds_none(
    auditor: Client, varied: None, query: dict[str, str]
) -> None:
    """An address is typed, shared and mangled: it is answered, whatever it says."""
    assert shown(auditor, **query) == []


def test_keys_are_called_as_today(auditor: Client, varied: None) -> None:
    ApiKey.objects.filter(pk=1).update(name="pipeline")
    KeyLabel.objects.create(fingerprint=FORWARDED, name="team Z")
    assert [row["Key"].text for row in shown(auditor)[:5]] == [
        "pipeline",
        "maria",
        "pipeline",
        "pipeline",
        "team Z",
    ]
    assert ids(shown(auditor, key="pipeline")) == ["1", "3", "4"]
    assert ids(shown(auditor, key="team Z")) == ["5"]
    assert shown(auditor, key="ci") == []


def test_pages_stay_where_they_are_when_requests_come_in(auditor: Client, now: None) -> None:
    """Fifty a page, newest first, also where many arrived at one moment."""
    enter(record(minutes(n // 30), n) for n in range(130))
    seen, href = [], f"{LIST}?tz=UTC"
    for number in range(3):
        root = reading.page(auditor.get(href))
        seen += ids(reading.table(root))
        record(minutes(0), 900 + number).save()
        following = root.all("a", rel="next")
        href = following[0].attrs["href"] if following else ""
    assert not href
    expected = UsageRecord.objects.exclude(request_id__startswith="req_0000000009")
    assert seen == [
        row.request_id.rpartition("_")[2].lstrip("0") for row in expected.order_by("-time", "-pk")
    ]


def test_a_file_has_exactly_what_is_shown_with_whole_ids(auditor: Client, varied: None) -> None:
    told = auditor.get(LIST, {"tz": "UTC", "backend": "spare", "format": "json"}).json()
    assert [row["request_id"] for row in told] == ["req_000000000004", "req_000000000005"]
    assert told[0] | {"outcome": "error", "status": 529, "model": "b"} == told[0]
    assert told[1]["duration_ms"] == 4400


def test_lists_do_not_read_the_details(auditor: Client, varied: None) -> None:
    """A sampled body has thirty thousand characters, and a list has fifty rows."""
    with CaptureQueriesContext(connection) as seen:
        shown(auditor)
    assert not [told["sql"] for told in seen if '"detail"' in told["sql"]]


def test_nothing_says_when_something_will_be_there(auditor: Client) -> None:
    text = reading.page(auditor.get(LIST)).first("main").text
    assert "A request gets its line a second after its end" in text


# --- how many queries -----------------------------------------------------------------------------


def paths() -> list[str]:
    sessions = [reverse("dashboard:session", args=[pk]) for pk in _sessions()]
    newest = UsageRecord.objects.exclude(session="").latest("time").request_id
    return [
        LIST,
        f"{LIST}?key=maria&outcome=answered",
        reverse("dashboard:request", args=[newest]),
        reverse("dashboard:sessions"),
        *sessions,
        reverse("dashboard:backends"),
        reverse("dashboard:live"),
    ]


def _sessions() -> list[int]:
    found = UsageSession.objects.order_by("-requests").values_list("pk", flat=True)
    return list(found[:1])


def counted(client: Client) -> list[int]:
    found = []
    for path in paths():
        with CaptureQueriesContext(connection) as seen:
            assert client.get(path, {"range": "90d", "tz": "UTC"}).status_code == 200, path
        found.append(len(seen))
    return found


def test_pages_take_ten_queries_however_many_requests(operator: Client, backends: Any) -> None:
    """Field 137: usage pages that cannot be used at 300 thousand rows."""
    issue_keys()
    rows = list(month(1500))
    enter(rows[:200])
    few = counted(operator)
    clear()
    enter(rows)
    many = counted(operator)
    assert few == many
    assert max(many) <= 10, many


# --- one request ----------------------------------------------------------------------------------

DETAIL = {
    "path": "/v1/messages",
    "auth_after": 0.001,
    "translated_after": 0.003,
    "connected_after": 0.02,
    "headers_after": 0.25,
    "route": ["alias claude-sonnet-* fits", "goes to main: qwen, then spare: qwen"],
    "dropped": ["top_k", "metadata"],
    "clamped": ["max_tokens 32000 to 8192"],
    "remedies": ["retried 503"],
    "repaired": ["arguments of Bash"],
    "tools": ["Bash", "Read"],
}


def one(client: Client, number: int = 1) -> reading.Node:
    path = reverse("dashboard:request", args=[f"req_{number:012}"])
    return reading.page(client.get(path, {"tz": "Europe/Berlin"}))


def test_a_request_tells_its_whole_story(auditor: Client, backends: Any) -> None:
    issue_keys()
    enter([record(NOW, 1, detail=DETAIL, attempts=2, session="s-1", key_id=2, key="maria")])
    root = one(auditor)
    assert root.first("h1").text == "Answered after 4.4\u202fs"
    assert "15:23:45 CET" in root.text
    facts = {n.first("dt").text: n.first("dd").text for n in root.first("dl").all("div")}
    assert facts["Key"] == "maria"
    assert facts["Tools called"] == "Bash, Read"
    assert facts["Ended with"].startswith("end_turn The model ended its answer")
    steps = [step.text for step in root.first("ol", class_="steps").all("li")]
    assert steps[0] == "requested: claude-sonnet-4-5"
    assert steps[1:3] == DETAIL["route"]
    assert steps[-1] == f"answered by {CODER} on main"
    changes = [(n.first("code").text, n.first("dd").text) for n in changes_of(root)]
    assert [name for name, _ in changes] == [
        "top_k",
        "metadata",
        "max_tokens 32000 to 8192",
        "retried 503",
        "arguments of Bash",
    ]
    assert all(why for _, why in changes)


def changes_of(root: reading.Node) -> list[reading.Node]:
    return root.first("dl", class_="changes").all("div")


def test_the_bar_and_its_table_tell_the_same(auditor: Client, now: None) -> None:
    enter([record(NOW, 1, detail=DETAIL)])
    root = one(auditor)
    names = [rect.attrs["class"] for rect in root.first("svg", class_="phases").all("rect")]
    assert names == ["auth", "translate", "connect", "wait", "prompt", "answer"]
    rows = root.first("table", class_="phases-table").first("tbody").all("tr")
    took = [row.all("td")[1].text for row in rows]
    assert took == [
        f"{n}\u202f{u}"
        for n, u in (
            ("1.0", "ms"),
            ("2.0", "ms"),
            (17, "ms"),
            (230, "ms"),
            (150, "ms"),
            ("4.0", "s"),
        )
    ]
    assert "3.0\u202fms of it in the gateway" in root.text


def test_an_error_is_shown_as_the_client_got_it(auditor: Client, now: None) -> None:
    told = {"detail": DETAIL, "error": "Backend error: <b>out</b> of memory", "status": 502}
    enter([record(NOW, 1, error_type="api_error", stop_reason="", **told)])
    root = one(auditor)
    assert root.first("h1").text.startswith("Error, 502, after")
    quote = root.first("section", aria_label="What the client received").text
    assert "api_error Backend error: <b>out</b> of memory" in quote


def test_a_cause_is_shown_to_those_who_operate(auditor: Client, now: None) -> None:
    """Clients are told that the backend could not be reached, and not why."""
    told = {"error": "Could not reach the backend", "error_type": "api_error", "stop_reason": ""}
    detail = {**DETAIL, "cause": "<b>connection refused"}
    enter([record(NOW, 1, detail=detail, status=502, **told)])
    shown = one(auditor).first("section", aria_label="What the client received").text
    assert "Cause, which the client does not see: <b>connection refused" in shown


def test_a_request_that_was_refused_at_the_door_explains_itself(auditor: Client, now: None) -> None:
    refused = {"status": 401, "model": "", "backend": "", "alias": "", "asked_model": ""}
    enter(
        [
            record(
                NOW,
                1,
                key_id=0,
                key="",
                error="Invalid API key",
                error_type="authentication_error",
                stop_reason="",
                attempts=0,
                duration_ms=1,
                first_token_ms=None,
                **refused,
            )
        ]
    )
    text = one(auditor).first("main").text
    assert "Refused, 401" in text and "Invalid API key" in text
    assert "No route was looked for" in text
    assert "Ended before the key was checked" in text
    assert "nothing readable" in text
    assert "Answered by" not in text and "Attempts" not in text


def test_its_trace_is_one_click_away(auditor: Client, now: None, settings: Any) -> None:
    """docs/how-to/observe.md, Traces: the id, and where TRACE_URL leads."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    enter([record(NOW, 1, detail={**DETAIL, "trace_id": trace}), record(NOW, 2, detail=DETAIL)])
    first, second = (row.request_id for row in UsageRecord.objects.order_by("request_id"))
    assert f"<code>{trace}</code></dd>" in auditor.get(f"/dashboard/requests/{first}/").text
    settings.TRACE_URL = "https://traces.example/{trace_id}?a=b&c=d"
    shown = auditor.get(f"/dashboard/requests/{first}/").text
    assert f'<a href="https://traces.example/{trace}?a=b&amp;c=d" rel="noreferrer">' in shown
    assert "traces.example" not in auditor.get(f"/dashboard/requests/{second}/").text


def test_its_session_is_one_click_away(auditor: Client, now: None) -> None:
    enter([record(NOW, 1, session="s-1"), record(NOW, 2, session="s-1", key_id=2, key="maria")])
    links = [a.attrs["href"] for a in one(auditor, 2).first("dl").all("a")]
    (session,) = [href for href in links if "/sessions/" in href]
    assert "maria" in reading.page(auditor.get(session)).first("div", class_="heading").text


SAMPLE = {
    "request": '{"messages":[{"role":"user","content":"<i>Secret</i>"}]}',
    "answer": '{"type":"content_block_start","content_block":{"type":"text"}}\n'
    '{"type":"content_block_delta","delta":{"type":"text_delta","text":"<script>no</script>"}}',
    "cut": True,
    "taken": {"credential": 2, "image": 1},
}


def test_a_sampled_request_shows_its_bodies_with_a_mark(auditor: Client, now: None) -> None:
    enter([record(NOW, 1, detail={**DETAIL, "sample": SAMPLE})])
    root = one(auditor)
    box = root.first("section", aria_label="Prompt and answer")
    assert box.first("span", class_="mark").text == "Kept because this key is sampled"
    assert "cut to the length" in box.text
    assert "2 credentials, 1 image taken out." in box.text
    bodies = [pre.text for pre in box.all("pre")]
    assert bodies[0] == "<script>no</script>"
    assert '"content": "<i>Secret</i>"' in bodies[1]
    assert not box.all("i") and not box.all("script")


def test_a_request_that_is_not_sampled_shows_no_bodies(auditor: Client, now: None) -> None:
    enter([record(NOW, 1, detail=DETAIL)])
    assert not one(auditor).all("span", class_="mark")
    assert not one(auditor).all("pre")


@pytest.mark.parametrize("request_id", ["req_nope", "%00", "a b", "ключ", "x" * 300])
def test_a_request_that_is_not_there_may_still_come(auditor: Client, request_id: str) -> None:
    answer = auditor.get(f"{LIST}{request_id}/")
    assert answer.status_code == 404
    text = reading.page(answer).first("main").text
    for words in ("still running", "in the spool", "too old", "kept 90 days"):
        assert words in text
