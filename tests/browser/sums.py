"""What was entered into the ledger, added up without the product, and what a page says of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from playwright.sync_api import Page

from tests.fakes.books import Row

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
NANO = Decimal(10**9)
CELLS = """(section) => [...section.querySelectorAll("tbody tr")].map((row) =>
  Object.fromEntries([...row.querySelectorAll("td")].map((cell) => {
    const exact = cell.querySelector("[title]:not(a)")?.title;
    return [cell.dataset.label, [cell.textContent.trim(), exact || cell.textContent.trim()]];
  })))"""
SERIES = """(figure) => {
  const heads = [...figure.querySelectorAll("thead th")].slice(1).map((head) => head.textContent);
  const exact = (cell) => cell.title || cell.textContent;
  const rows = [...figure.querySelectorAll("tbody tr")];
  return Object.fromEntries(heads.map((head, n) =>
    [head, rows.map((row) => exact(row.querySelectorAll("td")[n]))]));
}"""
PAINTED = """(canvas) => canvas.width > 0 && canvas.getContext("2d")
  .getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)"""


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days of UTC, both included, as the address of a report has them."""

    first: date
    last: date

    @property
    def query(self) -> str:
        return f"from={self.first}&to={self.last}&tz=UTC"

    def of(self, rows: Iterable[Row]) -> list[Row]:
        """The rows of these days; SQLite keeps moments as text that sorts by time."""
        begin, end = str(self.first), str(self.last + timedelta(days=1))
        return [row for row in rows if begin <= str(row["time"]) < end]


def tokens(rows: Iterable[Row]) -> int:
    return sum(row[name] for row in rows for name in TOKENS)


def cost(rows: Iterable[Row]) -> Decimal:
    """US dollars."""
    return sum((row["cost_nano_usd"] or 0 for row in rows), 0) / NANO


def errors(rows: Iterable[Row]) -> int:
    return sum(row["status"] >= 500 for row in rows)


def by(rows: Iterable[Row], column: str) -> Counter[str]:
    """How many rows have each value of a column, but for those that have none."""
    return Counter(row[column] for row in rows if row[column])


def number(text: str) -> Decimal:
    """The first number of a text with thin spaces between thousands; nothing is 0."""
    found = re.search(r"\d[\d\u202f]*(?:\.\d+)?", text)
    return Decimal(found[0].replace("\u202f", "")) if found else Decimal(0)


def card(page: Page, title: str) -> Decimal:
    """The number of a card, exactly."""
    shown = page.locator(".number-card", has=page.get_by_role("heading", name=title, exact=True))
    figure = shown.locator(".big")
    return number(figure.get_attribute("title") or figure.inner_text())


def table(page: Page, anchor: str = "table") -> list[dict[str, tuple[str, str]]]:
    """The rows of a table: title of the column -> (what is shown, the exact value)."""
    found: list[dict[str, tuple[str, str]]] = page.locator(f"section#{anchor}").evaluate(CELLS)
    return found


def series(page: Page, name: str) -> dict[str, Decimal]:
    """What each series of a chart adds up to, by the table below it."""
    found: dict[str, Any] = page.locator(f"[data-chart={name}-data]").evaluate(SERIES)
    return {head: sum(map(number, texts), Decimal(0)) for head, texts in found.items()}


def unpainted(page: Page) -> list[str]:
    """The charts of a page on which nothing is drawn."""
    canvases = page.locator("figure[data-chart] canvas").all()
    return [str(one.get_attribute("aria-label")) for one in canvases if not one.evaluate(PAINTED)]
