"""Charts as data (pages, "Rules for every page": charts)."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from dashboard.display import charts
from dashboard.display.charts import OTHER, Chart, Series, leading, tone
from dashboard.display.formatting import THIN
from dashboard.usage import periods

NOW = datetime(2025, 3, 20, 14, 23, 45, tzinfo=UTC)
SLOTS = periods.read({"range": "1h"}, ZoneInfo("UTC"), NOW).slots()


def series(*totals: int) -> list[Series]:
    return [Series(f"name-{n}", (float(total), 0.0)) for n, total in enumerate(totals)]


def test_at_most_five_series_and_the_rest_is_other() -> None:
    shown = leading(series(1, 20, 3, 40, 5, 60, 7))
    assert [one.name for one in shown] == ["name-5", "name-3", "name-1", "name-6", OTHER]
    assert shown[-1].total == 1 + 3 + 5
    assert sum(one.total for one in shown) == 136


def test_five_need_no_other() -> None:
    assert OTHER not in [one.name for one in leading(series(1, 2, 3, 4, 5))]


def test_a_name_has_the_same_colour_whoever_is_beside_it() -> None:
    alone = leading(series(7))[0]
    among = next(one for one in leading(series(7, 9, 11)) if one.name == "name-0")
    assert alone.tone == among.tone == tone("name-0")


def test_names_that_share_a_colour_get_shades_of_it() -> None:
    first = "model-0"
    twin = next(f"model-{n}" for n in range(1, 999) if tone(f"model-{n}") == tone(first))
    one, other = leading([Series(first, (2.0,)), Series(twin, (1.0,))])
    assert (one.tone, one.shade, other.shade) == (other.tone, 0, 1)


def test_what_the_script_reads() -> None:
    chart = Chart("cost", "Cost", "bars", "usd", SLOTS, (Series("a", (1.5e9, None), "a"),))
    told = chart.data()
    assert told["series"][0]["values"] == [1.5, None]
    assert told["series"][0]["texts"] == ["$1.50", "–"]
    assert told["incomplete"] == [1]
    assert told["labels"] == ["13:00", "14:00"]


def test_the_table_has_the_same_numbers_newest_first() -> None:
    chart = Chart("x", "X", "lines", "ms", SLOTS, (Series("half", (840.0, 2300.0)),))
    assert [(row.slot.label, [f.text for f, _ in row.cells]) for row in chart.rows()] == [
        ("14:00", [f"2.3{THIN}s"]),
        ("13:00", [f"840{THIN}ms"]),
    ]


def test_a_chart_of_nothing_is_empty() -> None:
    assert Chart("x", "X", "lines", "ms", SLOTS, (Series("half", (None, None)),)).is_empty
    assert Chart("x", "X", "bars", "count", SLOTS, ()).is_empty


def test_every_unit_is_written() -> None:
    for unit in charts.UNITS:
        assert charts.figure(unit, 0.5).text
