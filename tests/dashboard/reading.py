"""What a page shows, read from its HTML as a visitor would."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from asgiref.sync import async_to_sync

VOID = {"meta", "link", "img", "input", "br", "rect"}


@dataclass
class Node:
    """One element. `parts`: texts and elements in their order."""

    tag: str
    attrs: dict[str, str]
    parts: list[Any] = field(default_factory=list)

    @property
    def text(self) -> str:
        told = "".join(p if isinstance(p, str) else p.text for p in self.parts)
        return re.sub(r"[ \n\t]+", " ", told).strip()

    def all(self, tag: str = "", **attrs: str) -> list[Node]:
        """Elements below this one, in order; a class may be one of several."""
        return list(self._below(tag, _names(attrs)))

    def first(self, tag: str = "", **attrs: str) -> Node:
        return next(self._below(tag, _names(attrs)))

    def _below(self, tag: str, attrs: dict[str, str]) -> Iterator[Node]:
        waiting = [iter(self.parts)]
        while waiting:
            for part in waiting[-1]:
                if isinstance(part, Node):
                    waiting.append(iter(part.parts))
                    if part.matches(tag, attrs):
                        yield part
                    break
            else:
                waiting.pop()

    def matches(self, tag: str, attrs: dict[str, str]) -> bool:
        """`attrs` by their names in HTML; "*" is any value."""
        if tag and self.tag != tag:
            return False
        for name, wanted in attrs.items():
            value = self.attrs.get(name)
            if value is None or wanted not in (value, *value.split(), "*"):
                return False
        return True


def _names(attrs: dict[str, str]) -> dict[str, str]:
    """Attributes by their names in HTML, from keywords."""
    return {name.strip("_").replace("_", "-"): wanted for name, wanted in attrs.items()}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Node("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].parts.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop().tag == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def pieces(response: Any) -> list[bytes]:
    """The parts of an answer, as a server sends them."""

    async def sent() -> list[bytes]:
        return [part async for part in response]

    made: list[bytes] = async_to_sync(sent)() if response.streaming else [response.content]
    return made


def content(response: Any) -> bytes:
    return b"".join(pieces(response))


def page(response: Any) -> Node:
    """The page of an answer; every element of it is closed where it should be."""
    assert response["Content-Type"].startswith("text/html")
    reader = _Reader()
    reader.feed(response.content.decode())
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].tag}> is never closed"
    return reader.root


def heading(response: Any, anchor: str = "table") -> Node:
    """The heading of a table, on a page of which the rows are not read."""
    reader = _Reader()
    reader.feed(response.content.decode().partition("<tbody")[0])
    return reader.root.first("section", id=anchor).first("h2")


def table(root: Node, anchor: str = "table") -> list[dict[str, Node]]:
    """The rows of a table, by the titles of its columns."""
    body = root.first("section", id=anchor).first("tbody")
    return [{cell.attrs["data-label"]: cell for cell in row.all("td")} for row in body.all("tr")]


def cards(root: Node) -> dict[str, Node]:
    """The great numbers, by their titles."""
    return {card.attrs["aria-label"]: card for card in root.all("section", class_="number-card")}


def big(root: Node) -> dict[str, str]:
    return {title: card.first("p", class_="big").text for title, card in cards(root).items()}


def chart(root: Node, name: str) -> dict[str, Any]:
    """What charts.js reads."""
    data: dict[str, Any] = json.loads(root.first("script", id=f"{name}-data").text)
    return data


def chart_table(root: Node, name: str) -> list[list[str]]:
    """The table with a chart's numbers: time, and each series."""
    figure = root.first("figure", data_chart=f"{name}-data")
    rows = figure.first("tbody").all("tr")
    return [[cell.text for cell in row.parts if isinstance(cell, Node)] for row in rows]
