"""CSV and JSON hold exactly what is shown (pages, "Every table")."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.display import formatting
from tests.dashboard import reading
from tests.dashboard.making import CODER, NOW, enter, issue_keys, record
from tests.dashboard.months import enter_month

pytestmark = pytest.mark.django_db

KEYS, MODELS, CACHE, REQUESTS = (
    reverse(f"dashboard:{name}") for name in ("keys", "models", "cache", "requests")
)
MARIA = reverse("dashboard:key", args=["2"])
BERLIN = ZoneInfo("Europe/Berlin")
ZONED = " (Europe/Berlin)"
QUERY = "range=90d&tz=Europe/Berlin"


@pytest.fixture(autouse=True)
def some(backends: Any) -> None:
    issue_keys()
    enter_month(500)


def page(client: Client, path: str, query: str = QUERY) -> reading.Node:
    return reading.page(client.get(f"{path}?{query}"))


def files(client: Client, root: reading.Node, anchor: str = "table") -> dict[str, Any]:
    """What the links of a table's page lead to, by their words."""
    exports = root.first("section", id=anchor).first("span", class_="exports")
    return {a.text: client.get(a.attrs["href"]) for a in exports.all("a")}


def lines(answer: Any) -> list[dict[str, str]]:
    """The lines of a CSV file, by the names of its columns without their zone."""
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text = reading.content(answer).decode()
    assert text.startswith("\ufeff")
    found = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    return [{name.removesuffix(ZONED): value for name, value in line.items()} for line in found]


WRITTEN = {
    "requests": lambda text: formatting.count(int(text)),
    "tokens": lambda text: formatting.tokens(int(text)),
    "prompt_tokens": lambda text: formatting.tokens(int(text)),
    "computed_again": lambda text: formatting.tokens(int(text)),
    "cached_share": lambda text: formatting.share(float(text)),
    "repeated_share": lambda text: formatting.share(float(text)),
    "error_share": lambda text: formatting.share(float(text)),
    "cost_usd": lambda text: formatting.money(round(float(text) * 10**9)),
    "cost_per_answer_usd": lambda text: formatting.money(round(float(text) * 10**9)),
    "saved_usd": lambda text: formatting.money(round(float(text) * 10**9)),
    "first_token_p50_ms": lambda text: formatting.duration(int(text)),
    "last_used": lambda text: formatting.ago(datetime.fromisoformat(text), NOW, BERLIN),
    "last_at": lambda text: formatting.ago(datetime.fromisoformat(text), NOW, BERLIN),
    "status": lambda text: formatting.count(int(text)),
}
"""Column of a file -> how its value is written on the page. Others stand there as they are."""


@pytest.mark.parametrize(
    ("path", "anchor", "titles"),
    [
        (
            KEYS,
            "table",
            {
                "key": "Key",
                "kind": "Kind",
                "requests": "Requests",
                "tokens": "Tokens",
                "cached_share": "Cached",
                "cost_usd": "Cost",
                "error_share": "Errors",
                "last_used": "Last used",
            },
        ),
        (
            MODELS,
            "table",
            {
                "model": "Model",
                "requests": "Requests",
                "tokens": "Tokens",
                "error_share": "Errors",
                "cost_per_answer_usd": "An answer costs",
                "first_token_p50_ms": "First token",
            },
        ),
        (MARIA, "models", {"model": "Model", "tokens": "Tokens", "cost_usd": "Cost"}),
        (MARIA, "sessions", {"requests": "Turns", "tokens": "Tokens", "last_at": "Last turn"}),
        (MARIA, "errors", {"status": "Status", "outcome": "Outcome", "error_type": "Type"}),
        (
            CACHE,
            "keys",
            {
                "key": "Key",
                "prompt_tokens": "Prompts",
                "repeated_share": "Repeated",
                "computed_again": "Computed again",
                "verdict": "Caching",
            },
        ),
    ],
)
def test_files_hold_the_rows_that_are_shown(
    auditor: Client, path: str, anchor: str, titles: dict[str, str]
) -> None:
    root = page(auditor, path)
    told = files(auditor, root, anchor)
    shown, saved = reading.table(root, anchor), lines(told["CSV"])
    assert len(shown) == len(saved) > 0
    for row, line in zip(shown, saved, strict=True):
        for name, title in titles.items():
            text = line[name]
            written = WRITTEN[name](text).text if text and name in WRITTEN else text or "–"
            assert row[title].text == written, (name, text)


def test_json_holds_the_same_with_numbers_as_numbers(auditor: Client) -> None:
    told = files(auditor, page(auditor, KEYS))
    rows, saved = json.loads(told["JSON"].content), lines(told["CSV"])
    assert [row["key"] for row in rows] == [line["key"] for line in saved]
    assert all(isinstance(row["tokens"], int) for row in rows)
    assert [row["cost_usd"] for row in rows] == [
        float(line["cost_usd"]) if line["cost_usd"] else None for line in saved
    ]


def test_order_and_filter_hold_for_files_too(auditor: Client) -> None:
    root = page(auditor, KEYS, f"{QUERY}&sort=key&kind=issued")
    saved = lines(files(auditor, root)["CSV"])
    assert [line["key"] for line in saved] == ["batch-summaries-of-the-night", "ci", "maria"]
    assert {line["kind"] for line in saved} == {"issued"}


def test_a_page_of_many_has_files_of_itself_and_of_all(auditor: Client) -> None:
    enter(
        record(NOW - timedelta(minutes=n), 10_000 + n, key_id=2, key="maria", status=500)
        for n in range(60)
    )
    root = page(auditor, MARIA)
    exports = root.first("section", id="errors").first("span", class_="exports")
    assert exports.text == "these 50CSVJSONall rowsCSVJSON"
    one, _, every, _ = (lines_of(auditor, a) for a in exports.all("a"))
    assert len(one) == 50 == len(reading.table(root, "errors"))
    assert len(every) > 60
    assert every[:50] == one
    following = root.first("section", id="errors").first("a", rel="next").attrs["href"]
    second = reading.page(auditor.get(following))
    assert [row["Request"].text for row in reading.table(second, "errors")] == [
        line["request_id"] for line in every[50:100]
    ]
    exports = second.first("section", id="errors").first("span", class_="exports")
    assert lines_of(auditor, exports.all("a")[0]) == every[50:100]


def lines_of(client: Client, link: reading.Node) -> list[dict[str, str]]:
    answer = client.get(link.attrs["href"])
    return lines(answer) if answer["Content-Type"].startswith("text/csv") else []


def test_a_name_cannot_become_a_formula(auditor: Client) -> None:
    """A spreadsheet runs what begins with these."""
    for number, name in enumerate(("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1")):
        enter([record(NOW, 20_000 + number, key_id=50 + number, key=name, model=CODER)])
    told = files(auditor, page(auditor, KEYS))
    names = [line["key"] for line in lines(told["CSV"]) if "deleted" in line["key"]]
    assert names and not any(name.startswith(tuple("=+-@\t\r")) for name in names)
    plain = [row["key"] for row in json.loads(told["JSON"].content)]
    assert "=1+1 (deleted)" in plain


def test_a_file_says_what_it_is(auditor: Client) -> None:
    answer = files(auditor, page(auditor, KEYS))["CSV"]
    assert answer["Content-Disposition"] == (
        'attachment; filename="keys-2024122100-2025032016.csv"'
    )
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_an_unknown_kind_of_file_is_the_page(auditor: Client) -> None:
    assert page(auditor, KEYS, f"{QUERY}&format=xlsx").first("h1").text == "Keys"
    assert page(auditor, MARIA, f"{QUERY}&format=csv&table=none").first("h1").text == "maria"


def lines_of_requests(client: Client, query: str = "rows=all") -> list[dict[str, str]]:
    return lines(client.get(f"{REQUESTS}?{QUERY}&format=csv&{query}"))


def test_a_whole_file_is_made_in_pieces(auditor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.tables.keyset.ROWS_AT_ONCE", 60)
    answer = auditor.get(f"{REQUESTS}?{QUERY}&format=json&rows=all")
    assert answer.streaming
    pieces = reading.pieces(answer)
    assert len(pieces) > 500 // 60
    rows = json.loads(b"".join(pieces))
    assert len(rows) == 500
    assert [row["request_id"] for row in rows] == [
        line["request_id"] for line in lines_of_requests(auditor)
    ]


def test_a_file_of_nothing_is_a_file(auditor: Client) -> None:
    query = f"{QUERY}&rows=all&model=none"
    assert lines(auditor.get(f"{REQUESTS}?{query}&format=csv")) == []
    assert json.loads(reading.content(auditor.get(f"{REQUESTS}?{query}&format=json"))) == []


def test_the_name_of_a_file_says_when_it_is_one_page_of_several(auditor: Client) -> None:
    def name(query: str) -> str:
        answer = auditor.get(f"{REQUESTS}?{QUERY}&format=csv&{query}")
        return str(answer["Content-Disposition"].partition("filename=")[2])

    assert name("rows=all") == '"requests-2024122100-2025032016.csv"'
    assert name("") == '"requests-2024122100-2025032016-50-rows.csv"'


@pytest.mark.parametrize(
    ("nano", "written"), [(34_200, "0.0000342"), (1, "0.000000001"), (0, "0.0"), (10**9, "1.0")]
)
def test_no_sum_of_money_has_an_exponent(auditor: Client, nano: int, written: str) -> None:
    enter([record(NOW, 30_000, cost_nano_usd=nano, session="the-one")])
    (line,) = lines_of_requests(auditor, "rows=all&session=the-one")
    assert line["cost_usd"] == written


@pytest.mark.parametrize("text", ["12e45678", "00123", "1234567890123456"])
def test_an_id_is_no_number(auditor: Client, text: str) -> None:
    """A spreadsheet would round it, or drop its zeros."""
    enter([record(NOW, 30_000, agent_id=text, session="the-one")])
    (line,) = lines_of_requests(auditor, "rows=all&session=the-one")
    assert line["agent_id"] == f"'{text}"


def test_the_first_line_names_the_zone(auditor: Client) -> None:
    text = auditor.get(f"{REQUESTS}?{QUERY}&format=csv").content.decode()
    assert text.startswith("\ufefftime (Europe/Berlin),outcome,")


def test_keys_and_models_add_up_to_the_keys(auditor: Client) -> None:
    """What is charged back for each model is what the key cost, and files have every sum."""
    root = page(auditor, KEYS)
    pairs = lines(files(auditor, root, "pairs")["CSV"])
    whole = lines(files(auditor, root)["CSV"])
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "requests", "unpriced"):
        by_key = {line["key"]: 0 for line in whole}
        for line in pairs:
            by_key[line["key"]] += int(line[name])
        assert by_key == {line["key"]: int(line[name]) for line in whole}, name
    models = {line["model"]: line for line in lines(files(auditor, page(auditor, MODELS))["CSV"])}
    for model, line in models.items():
        costs = [Decimal(p["cost_usd"]) for p in pairs if p["model"] == model and p["cost_usd"]]
        assert (sum(costs) if costs else "") == (line["cost_usd"] and Decimal(line["cost_usd"]))
