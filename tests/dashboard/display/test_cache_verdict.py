"""The prefix cache report: what repeats, what came from a cache, what it saved, in words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from bridge.models import Backend, DiscoveredModel, Price
from dashboard.display import cache_verdict, formatting
from dashboard.usage.totals import Totals
from tests.dashboard import reading
from tests.dashboard.making import CODER, LARGE, NOW, SMALL, enter, record

CACHE = reverse("dashboard:cache")


def totals(repeated: int, cached: int, of: int = 1000, tools_changed: int = 0) -> Totals:
    """Shares of a thousand, in a hundred requests."""
    return Totals(
        {
            "requests": 100,
            "tool_lists_changed": tools_changed,
            "prompt_bytes": 4 * of,
            "repeated_bytes": 4 * repeated,
            "input_tokens": of - cached,
            "cache_read_tokens": cached,
            "cache_write_tokens": 0,
        }
    )


@pytest.mark.parametrize(
    ("repeated", "cached", "word"),
    [
        (900, 880, "works"),
        (900, 700, "works"),
        (900, 400, "works partly"),
        (900, 0, "not used"),
        (100, 0, "little repeats"),
        (100, 90, "little repeats"),
        (0, 800, "works"),
    ],
)
def test_verdicts(repeated: int, cached: int, word: str) -> None:
    state = cache_verdict.verdict(totals(repeated, cached))
    assert state.word == word
    assert [m.state for m in cache_verdict.meanings({state})] == [state]


@pytest.mark.parametrize(
    ("changed", "word"), [(4, "works"), (5, "tools change"), (100, "tools change")]
)
def test_tools_that_change_often_are_named_first(changed: int, word: str) -> None:
    """What repeats is read from the cache; but less repeats than could."""
    assert cache_verdict.verdict(totals(500, 480, tools_changed=changed)).word == word


def test_without_prompts_nothing_is_known() -> None:
    assert cache_verdict.verdict(Totals()) == cache_verdict.UNKNOWN
    assert cache_verdict.computed_again(Totals()) is None


def test_computed_again_is_what_repeats_and_is_not_cached() -> None:
    assert cache_verdict.computed_again(totals(900, 400)) == pytest.approx(500)
    assert cache_verdict.computed_again(totals(300, 400)) == 0


@pytest.fixture
def priced(db: None) -> None:
    """One model by the operator's price, one by its list's, one without any."""
    main = Backend.objects.create(name="main", url="http://main.example.com/v1")
    Price.objects.create(
        model="qwen*",
        input_per_mtok=Decimal("0.30"),
        output_per_mtok=Decimal("1.20"),
        cache_read_per_mtok=Decimal("0.03"),
    )
    told = {"input": 0.55, "output": 2.2, "cache_read": 0.14}
    DiscoveredModel.objects.create(backend=main, name=LARGE, prices=told)
    enter(
        [
            record(NOW, 1, model=CODER, cache_read_tokens=1_000_000),
            record(NOW, 2, model=LARGE, cache_read_tokens=1_000_000, key_id=2, key="maria"),
            record(NOW, 3, model=SMALL, cache_read_tokens=1_000_000, key_id=3, key="batch"),
        ]
    )


def page(client: Client) -> reading.Node:
    return reading.page(client.get(f"{CACHE}?range=24h&tz=UTC"))


def test_savings_are_told_at_the_prices_that_are_known(auditor: Client, priced: None) -> None:
    root = page(auditor)
    rows = {row["Key"].text.removesuffix(" (deleted)"): row for row in reading.table(root, "keys")}
    assert rows["ci"]["Saved"].text == "$0.27"
    assert rows["maria"]["Saved"].text == "$0.41"
    assert rows["batch"]["Saved"].text == "–"
    assert reading.big(root)["Saved"] == "$0.68"


def test_what_the_page_says_in_words_is_what_its_tables_show(auditor: Client, db: None) -> None:
    enter(
        [
            record(NOW, 1, session="good", key_id=1),
            record(NOW, 2, session="bad", key_id=2, cache_read_tokens=0, input_tokens=4000),
        ]
    )
    root = page(auditor)
    words = {row["Caching"].text for row in reading.table(root, "keys")}
    words |= {row["Caching"].text for row in reading.table(root, "sessions")}
    explained = {dt.text for dt in root.first("dl", class_="meanings").all("dt")}
    assert words == explained == {"works", "not used"}
    assert "--enable-prompt-tokens-details" in root.text


def test_shares_of_keys_and_sessions(auditor: Client, db: None) -> None:
    enter(record(NOW, n, session="one", key_id=1) for n in range(3))
    root = page(auditor)
    for anchor in ("keys", "sessions"):
        (row,) = reading.table(root, anchor)
        assert row["Repeated"].text == formatting.share(14 / 16).text
        assert row["Read from cache"].text == formatting.share(3 / 4).text
        assert row["Prompts"].text == formatting.tokens(12_000).text


def test_tools_that_were_added_are_counted_and_explained(auditor: Client, db: None) -> None:
    grown = {"tools_added": 3, "tool_lists_changed": 1}
    enter(record(NOW, n, session="one", key_id=1, **(grown if n < 2 else {})) for n in range(4))
    root = page(auditor)
    for anchor in ("keys", "sessions"):
        (row,) = reading.table(root, anchor)
        assert (row["Tools changed"].text, row["Tools added"].text) == ("2", "6")
        assert row["Caching"].text == "tools change"
    assert "ENABLE_TOOL_SEARCH=false" in root.first("dl", class_="meanings").text


def test_the_report_does_not_offer_a_comparison(auditor: Client, priced: Any) -> None:
    assert "compare" not in page(auditor).first("div", class_="spoken").text
