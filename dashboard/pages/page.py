"""What stands around every page: its time range and zone, the ways to others, the state.

The address holds all of it, so that a link shows somebody else the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from urllib.parse import quote_plus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from bridge.spans import HOUR, ZONE_COOKIE, visitor_zone
from dashboard.display.cards import Compared
from dashboard.pages.access import operates
from dashboard.queries import backend_status
from dashboard.queries.hours import Sums
from dashboard.usage import periods
from dashboard.usage.periods import Range, Slot

NAVIGATION = (
    ("overview", "Overview"),
    ("keys", "Keys"),
    ("teams", "Teams"),
    ("models", "Models"),
    ("cache", "Cache"),
    ("auto_mode", "Auto mode"),
    ("sessions", "Sessions"),
    ("requests", "Requests"),
    ("errors", "Errors"),
    ("live", "Live"),
    ("backends", "Backends"),
)
"""Name of the view, and what it is called."""
FOR_OPERATORS = ("backends",)
BESIDE = {"people": "teams", "sampled": "errors"}
"""Pages that are reached from another one, and stand under its name."""
KEPT = ("range", "from", "to", "compare", "tz")
"""Parameters of the address that go along from page to page."""
READABLE = "/:"
LONG = 80
"""Characters of a parameter from which on its quoted form is not kept."""


@dataclass(frozen=True, slots=True)
class Link:
    title: str
    href: str
    current: bool = False
    hint: str = ""


class Frame:
    """Read once from a request; pages and tables make their links with it.

    comparing   whether this page compares with the period before at all
    """

    def __init__(self, request: HttpRequest, comparing: bool = True) -> None:
        self.request = request
        self.comparing = comparing
        self.asked: Mapping[str, str] = request.GET.dict()
        self.now: datetime = timezone.now()
        self.zone = visitor_zone(self.asked.get("tz", ""), request.COOKIES.get(ZONE_COOKIE, ""))
        self.problem = ""
        try:
            self.range: Range = periods.read(self.asked, self.zone, self.now)
        except periods.RangeError as error:
            self.problem = str(error)
            self.range = periods.default(self.zone, self.now)
        self._paths: dict[tuple[object, ...], str] = {}

    @property
    def base(self) -> str:
        """The template that pages stand in."""
        return "dashboard/base.html"

    @property
    def is_own(self) -> bool:
        """Whether the page shows what is the visitor's own, and nothing else."""
        return False

    @property
    def operates(self) -> bool:
        """Whether the visitor may run the gateway, and gets the ways to change things."""
        return operates(self.request)

    @property
    def may_compare(self) -> bool:
        return self.comparing and self.range.before is not None

    @property
    def compares(self) -> bool:
        return self.may_compare and self.asked.get("compare") != "off"

    def compared(self, sums: Sums) -> Compared:
        """Sums for a row of cards."""
        words = self.range.before_words if self.compares else ""
        return Compared(sums.total, sums.whole, sums.before, words)

    @cached_property
    def kept(self) -> dict[str, str]:
        """The parameters that make another page show the same time."""
        compare = {"compare": "off"} if self.asked.get("compare") == "off" else {}
        return {**self.range.asked, **compare, "tz": str(self.zone)}

    @property
    def own(self) -> dict[str, str]:
        """The parameters of this page alone: filters and orders."""
        return {name: text for name, text in self.asked.items() if name not in KEPT}

    def here(self, *without: str, **changes: str) -> str:
        """This page with other parameters."""
        parameters = {**self.own, **self.kept, **changes}
        return address(self.request.path, {k: v for k, v in parameters.items() if k not in without})

    def to(self, view: str, *args: object, **changes: str) -> str:
        """Another page, for the same time. A page has hundreds of links to a few views."""
        place = (view, *args)
        if place not in self._paths:
            self._paths[place] = reverse(f"dashboard:{view}", args=args)
        return address(self._paths[place], {**self.kept, **changes})

    def to_requests(self, filters: Mapping[str, str], slot: Slot | None = None) -> str:
        """The requests behind a number of this page: of its time, or of one bar of a chart."""
        part = {} if slot is None else {"range": "", **self.range.bounds(slot.start, slot.end)}
        return self.to("requests", **part, **filters)

    def to_known(self, view: str, *args: object) -> str:
        """Another page; "" where there is no such page."""
        try:
            return self.to(view, *args)
        except NoReverseMatch:
            return ""

    @cached_property
    def state(self) -> backend_status.GatewayState:
        return backend_status.gateway(self.now)

    def navigation(self) -> list[Link]:
        """The pages; the one that is shown, or of which one thing is shown, is current."""
        match = self.request.resolver_match
        own = match.url_name if match and match.url_name else ""
        own = BESIDE.get(own, own)
        open_to_all = [(n, t) for n, t in NAVIGATION if n not in FOR_OPERATORS]
        pages = NAVIGATION if self.operates else open_to_all
        return [Link(title, self.to(name), own in (name, name[:-1])) for name, title in pages]

    def choices(self) -> list[Link]:
        """The ranges with names."""
        without = {**self.own, **self.kept}
        for name in ("range", "from", "to", "after"):
            without.pop(name, None)
        return [
            Link(
                named.label,
                address(self.request.path, {**without, "range": name}),
                name == self.range.name,
                named.hint,
            )
            for name, named in periods.NAMED.items()
        ]

    def hidden(self) -> list[tuple[str, str]]:
        """What the form of dates keeps of the address."""
        return self._without("range", "from", "to", "after")

    def hidden_zone(self) -> list[tuple[str, str]]:
        """What the form of the time zone keeps."""
        return self._without("tz", "after")

    def _without(self, *names: str) -> list[tuple[str, str]]:
        parameters = {**self.own, **self.kept}
        return [(name, text) for name, text in parameters.items() if name not in names]

    @property
    def first_day(self) -> str:
        return self.range.local(self.range.start).date().isoformat()

    @property
    def last_day(self) -> str:
        return self.range.local(self.range.end - HOUR).date().isoformat()

    @property
    def unknown_zone(self) -> str:
        """A time zone that the address asks for and nobody knows."""
        asked = self.asked.get("tz", "")
        return "" if asked == str(self.zone) else asked

    def comparison(self) -> Link:
        """Turns the comparison on or off."""
        if self.asked.get("compare") == "off":
            return Link("Compare", self.here("compare"))
        return Link("Hide", self.here(compare="off"), current=True)


def address(path: str, parameters: Mapping[str, str]) -> str:
    """A path with parameters; slashes and colons stay readable."""
    parts = (f"{_quoted(name)}={_quoted(text)}" for name, text in parameters.items() if text != "")
    query = "&".join(parts)
    return f"{path}?{query}" if query else path


def _quoted(text: object) -> str:
    """Parameters are the same in most links of a page; what is long is not kept."""
    words = str(text)
    return _short(words) if len(words) < LONG else quote_plus(words, safe=READABLE)


@lru_cache(maxsize=4096)
def _short(text: str) -> str:
    return quote_plus(text, safe=READABLE)


def page(
    request: HttpRequest, template: str, frame: Frame, status: int = 200, **context: object
) -> HttpResponse:
    """A page within its frame."""
    return render(request, f"dashboard/{template}.html", {"frame": frame, **context}, status=status)


def missing(request: HttpRequest, frame: Frame, what: str, every: str) -> HttpResponse:
    """There is no such thing; the page of all of them is where to go."""
    context = {"what": what, "every": every, "every_href": frame.to(every)}
    return page(request, "missing", frame, 404, **context)
