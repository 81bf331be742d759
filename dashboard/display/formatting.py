"""Numbers as people read them. Pure.

Each function gives a `Figure`: a short text, and the exact value for those who ask for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

THIN = "\u202f"
"""A narrow space that no line breaks at."""
UNKNOWN = "–"


@dataclass(frozen=True, slots=True)
class Figure:
    """What is shown, and the hover text ("" where that would be the same)."""

    text: str
    title: str = ""


NOTHING = Figure(UNKNOWN, "not known")


def whole(number: int) -> str:
    """1234567 as 1 234 567, with thin spaces."""
    return f"{number:,}".replace(",", THIN)


def count(number: int) -> Figure:
    return Figure(whole(number))


def requests(number: int) -> str:
    """1 request, 2 requests."""
    return f"{whole(number)} request{'' if number == 1 else 's'}"


def tokens(number: float) -> Figure:
    """12437912 as 12.4 M; below ten thousand every digit."""
    exact = whole(round(number))
    return _short(number, exact, (("", 1), ("k", 10**3), ("M", 10**6), ("B", 10**9)))


def size(number: float) -> Figure:
    """Bytes: 12437912 as 12.4 MB."""
    exact = f"{whole(round(number))} bytes"
    units = (("bytes", 1), ("kB", 10**3), ("MB", 10**6), ("GB", 10**9), ("TB", 10**12))
    return _short(number, exact, units)


def _short(number: float, exact: str, units: tuple[tuple[str, int], ...]) -> Figure:
    if abs(number) < 9_999.5:
        return Figure(f"{whole(round(number))}{THIN}{units[0][0]}".strip())
    name, unit = next((u for u in reversed(units) if abs(number) >= 0.9995 * u[1]), units[0])
    return Figure(f"{_three(number / unit)}{THIN}{name}", exact)


def _three(number: float) -> str:
    """Three digits: 1.23, 12.3, 123."""
    places = next((p for p, limit in ((2, 9.995), (1, 99.95)) if abs(number) < limit), 0)
    return f"{number:,.{places}f}".replace(",", THIN)


def money(nano_usd: float) -> Figure:
    """Billionths of a US dollar: $12.34, or as many places as two digits need."""
    dollars = Decimal(round(nano_usd)).scaleb(-9)
    if not dollars:
        return Figure("$0")
    sign, amount = ("-" if dollars < 0 else ""), abs(dollars)
    places = 2 if amount >= 1 else max(2, 1 - amount.adjusted())
    shown = amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    exact = f"{sign}{amount:,f} US dollars".replace(",", THIN)
    return Figure(f"{sign}${shown:,f}".replace(",", THIN), exact)


def duration(ms: float) -> Figure:
    """Milliseconds as 840 ms, 2.3 s, 4 min 10 s or 2 h 5 min."""
    if ms < 999.5:
        return Figure(f"{round(ms)}{THIN}ms")
    seconds = ms / 1000
    exact = f"{whole(round(ms))} ms"
    if seconds < 99.95:
        return Figure(f"{seconds:.1f}{THIN}s", exact)
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return Figure(f"{minutes}{THIN}min {rest}{THIN}s", exact)
    return Figure(f"{minutes // 60}{THIN}h {minutes % 60}{THIN}min", exact)


def share(part: float) -> Figure:
    """0 to 1 as per cent. Little is never shown as nothing, nearly all never as all."""
    percent = part * 100
    if 0 < percent < 0.1:
        return Figure(f"<0.1{THIN}%", f"{percent:.4f} %")
    if 99.9 < percent < 100:
        return Figure(f">99.9{THIN}%", f"{percent:.4f} %")
    text = f"{percent:.1f}" if 0 < percent < 10 else f"{percent:.0f}"
    return Figure(f"{text.removesuffix('.0')}{THIN}%", f"{percent:.2f} %")


def rate(per_second: float) -> Figure:
    """Tokens per second."""
    places = 1 if per_second < 99.95 else 0
    return Figure(f"{per_second:.{places}f}{THIN}/s", f"{per_second:.3f} tokens a second")


def growth(part: float) -> Figure:
    """0.33 as +33 %, 9 as 10 times."""
    if part >= 9:
        return Figure(f"{part + 1:.0f} times")
    sign = "+" if part > 0 else "−"
    return Figure(f"{sign if round(part * 100) else '±'}{abs(part) * 100:.0f}{THIN}%")


def moment(at: datetime, zone: ZoneInfo) -> str:
    """A moment exactly, in this zone."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M:%S} {local.tzname()}"


def ago(at: datetime, now: datetime, zone: ZoneInfo) -> Figure:
    """How long ago something was; the exact time on hover."""
    return Figure(_ago(now - at, at.astimezone(zone)), moment(at, zone))


_STEPS = ((90, 1, "s"), (90 * 60, 60, "min"), (36 * 3600, 3600, "h"), (14 * 86400, 86400, "d"))


def _ago(gone: timedelta, local: datetime) -> str:
    seconds = gone.total_seconds()
    if abs(seconds) < 1.5:
        return "now"
    for limit, unit, name in _STEPS:
        if abs(seconds) < limit:
            age = f"{round(abs(seconds) / unit)}{THIN}{name}"
            return f"{age} ago" if seconds > 0 else f"in {age}"
    return f"{local.day} {local:%b %Y}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Against the period before. `direction`: up, down or same; `good` None where neither is."""

    text: str
    direction: str
    good: bool | None
    title: str


def change(
    now: float | None, before: float | None, hint: str, wanted: int, of_share: bool = False
) -> Comparison | None:
    """How a number changed; None where there is nothing to compare with.

    hint       what it was before, for the hover text
    wanted     1: more is better, -1: less is better, 0: neither
    of_share   shares differ by points: 2 % after 1 % is one point more, not twice as much
    """
    if now is None or before is None or (not before and not now):
        return None
    if of_share:
        return _points(100 * (now - before), hint, wanted)
    if not before:
        return Comparison("none before", "up", _judged(1, wanted), hint)
    ratio = now / before - 1
    if abs(ratio) < 0.005:
        return Comparison("unchanged", "same", None, hint)
    direction = 1 if ratio > 0 else -1
    percent = abs(ratio) * 100
    text = f"{now / before:.0f} times" if ratio >= 9 else f"{percent:.0f}{THIN}%"
    sign = "" if ratio >= 9 else "+" if direction > 0 else "−"
    return Comparison(
        f"{sign}{text}", "up" if direction > 0 else "down", _judged(direction, wanted), hint
    )


def _points(points: float, hint: str, wanted: int) -> Comparison:
    if abs(points) < 0.05:
        return Comparison("unchanged", "same", None, hint)
    direction = 1 if points > 0 else -1
    text = f"{'+' if direction > 0 else '−'}{abs(points):.1f} points"
    return Comparison(text, "up" if direction > 0 else "down", _judged(direction, wanted), hint)


def _judged(direction: int, wanted: int) -> bool | None:
    return None if not wanted else direction == wanted
