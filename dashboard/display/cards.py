"""The great numbers at the top of a page, each with its change against the period before. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from dashboard.display import formatting
from dashboard.display.formatting import NOTHING, Comparison, Figure
from dashboard.usage.totals import Totals

NUMBER, HINT = "the number", "the hint"
EMPTY = (NOTHING.text, "0", formatting.share(0).text)
Reader = Callable[[Totals], float | None]
Writer = Callable[[float], Figure]


@dataclass(frozen=True, slots=True)
class Card:
    """One number.

    parts   smaller numbers below, each with its name;  tone   a state, "" for none
    hrefs   name of a part, NUMBER or HINT -> address of the requests behind it
    """

    title: str
    figure: Figure
    parts: tuple[tuple[str, Figure], ...] = ()
    change: Comparison | None = None
    hint: str = ""
    tone: str = ""
    hrefs: Mapping[str, str] = field(default_factory=dict)

    @property
    def href(self) -> str:
        return self.hrefs.get(NUMBER, "")

    @property
    def hint_href(self) -> str:
        return self.hrefs.get(HINT, "")

    def shown_parts(self) -> list[tuple[str, Figure, str]]:
        return [(name, figure, self.hrefs.get(name, "")) for name, figure in self.parts]


@dataclass(frozen=True, slots=True)
class Compared:
    """The sums behind a row of cards.

    total          what is shown;  whole, before   what is compared: whole hours on both sides
    before_words   what the period before is; "" where nothing is to be compared
    """

    total: Totals
    whole: Totals
    before: Totals
    before_words: str = ""

    def change(self, read: Reader, write: Writer, wanted: int = 0) -> Comparison | None:
        if not self.before_words:
            return None
        now, before = read(self.whole), read(self.before)
        then = NOTHING if before is None else write(before)
        so_far = NOTHING if now is None else write(now)
        hint = f"{then.text} in {self.before_words}, {so_far.text} in the same whole hours now"
        return formatting.change(now, before, hint, wanted, of_share=write is formatting.share)


def number(
    title: str,
    sums: Compared,
    read: Reader,
    write: Writer,
    wanted: int = 0,
    parts: tuple[tuple[str, Figure], ...] = (),
    hint: str = "",
) -> Card:
    """A card. `wanted`: 1 where more is better, -1 where less is, 0 where neither is."""
    value = read(sums.total)
    figure = NOTHING if value is None else write(value)
    return Card(title, figure, parts, sums.change(read, write, wanted), hint)


# --- the requests behind them ---------------------------------------------------------------------

_BEHIND: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "Requests": {
        NUMBER: {},
        "answered": {"outcome": "answered"},
        "refused": {"outcome": "refused"},
        "abandoned": {"outcome": "abandoned"},
    },
    "Tokens": {NUMBER: {}, HINT: {"trait": "estimated"}},
    "Cost": {NUMBER: {"sort": "-cost"}, HINT: {"trait": "unpriced"}},
    "Error share": {NUMBER: {"outcome": "error"}, "errors": {"outcome": "error"}},
    "To the first token": {NUMBER: {"outcome": "answered", "sort": "-first_token"}},
    "Speed": {NUMBER: {"outcome": "answered"}},
    "An answer costs": {NUMBER: {"outcome": "answered", "sort": "-cost"}},
    "Repaired answers": {NUMBER: {"trait": "repaired"}},
    "Asked more than once": {NUMBER: {"trait": "retried"}},
}
"""Title -> part -> the filters of its requests."""
ToFiltered = Callable[[Mapping[str, str]], str]


def linked(cards: Iterable[Card], to: ToFiltered, asked: Mapping[str, str]) -> list[Card]:
    """The cards with ways to the requests behind their numbers. `asked`: filters of them all."""
    return [_linked(card, to, asked) for card in cards]


def _linked(card: Card, to: ToFiltered, asked: Mapping[str, str]) -> Card:
    figures = {NUMBER: card.figure, **dict(card.parts)}
    hrefs = {
        part: to({**asked, **filters})
        for part, filters in _BEHIND.get(card.title, {}).items()
        if part == HINT or (part in figures and figures[part].text not in EMPTY)
    }
    return replace(card, hrefs=hrefs)


# --- the cards that several pages have ------------------------------------------------------------


def requests(sums: Compared) -> Card:
    total = sums.total
    outcomes = (
        ("answered", total.answered),
        ("refused", total["refused"]),
        ("abandoned", total["abandoned"]),
    )
    parts = tuple((name, formatting.tokens(count)) for name, count in outcomes if count)
    return number("Requests", sums, lambda t: t.requests, formatting.tokens, 0, parts)


def tokens(sums: Compared) -> Card:
    total = sums.total
    parts = [
        ("new input", formatting.tokens(total["input_tokens"] + total["cache_write_tokens"])),
        ("cached", formatting.tokens(total["cache_read_tokens"])),
        ("output", formatting.tokens(total["output_tokens"])),
    ]
    hint = ""
    if total["estimated"]:
        hint = f"{formatting.requests(total['estimated'])} counted by us: no usage was reported"
    return number("Tokens", sums, lambda t: t.tokens, formatting.tokens, 0, tuple(parts), hint)


def cost(sums: Compared) -> Card:
    total = sums.total
    parts = []
    if (each := total.cost_per_request) is not None:
        parts.append(("for an answer", formatting.money(each)))
    hint = ""
    if total["unpriced"]:
        hint = f"without {formatting.requests(total['unpriced'])} whose price is not known"
    return number("Cost", sums, lambda t: t.cost, formatting.money, 0, tuple(parts), hint)


def errors(sums: Compared) -> Card:
    total = sums.total
    parts = [("errors", formatting.tokens(total["errors"]))] if total.requests else []
    return number("Error share", sums, lambda t: t.error_share, formatting.share, -1, tuple(parts))


def first_token(sums: Compared) -> Card:
    parts: tuple[tuple[str, Figure], ...] = ()
    if (slow := sums.total.first_token(0.95)) is not None:
        parts = (("95 % within", formatting.duration(slow)),)
    hint = "Half of the answers began within this time"
    return number(
        "To the first token",
        sums,
        lambda t: t.first_token(0.5),
        formatting.duration,
        -1,
        parts,
        hint,
    )


def cached(sums: Compared) -> Card:
    parts: tuple[tuple[str, Figure], ...] = ()
    if (repeated := sums.total.repeated_share) is not None:
        parts = (("repeated", formatting.share(repeated)),)
    return number("Read from cache", sums, lambda t: t.cached_share, formatting.share, 1, parts)


def overview(sums: Compared) -> list[Card]:
    return [requests(sums), tokens(sums), cost(sums), errors(sums)]


def for_model(sums: Compared, window: int, longest: int | None) -> list[Card]:
    """`window`: tokens that the model takes, 0 unknown;  `longest`: the longest known context."""
    return [first_token(sums), speed(sums), errors(sums), context(sums, window, longest)]


def speed(sums: Compared) -> Card:
    hint = "Of one answer, after its first token"
    return number("Speed", sums, lambda t: t.tokens_per_second, formatting.rate, 1, hint=hint)


def context(sums: Compared, window: int, longest: int | None) -> Card:
    """How full the window gets."""
    mean = sums.total.prompt_per_request
    parts = []
    if mean is not None and window:
        parts.append(("of the window", formatting.share(mean / window)))
    if longest:
        parts.append(("longest session", formatting.tokens(longest)))
    hint = "" if window else "The size of the window is not known"
    return number(
        "Mean prompt",
        sums,
        lambda t: t.prompt_per_request,
        formatting.tokens,
        parts=tuple(parts),
        hint=hint,
    )


def model_facts(total: Totals) -> list[Card]:
    """Smaller numbers of a model."""
    facts: list[tuple[str, float | None, Writer]] = [
        ("Requests", total.requests, formatting.tokens),
        ("Tokens", total.tokens, formatting.tokens),
        ("Cost", total.cost, formatting.money),
        ("An answer costs", total.cost_per_request, formatting.money),
        ("Repaired answers", total.repaired_share, formatting.share),
        ("Asked more than once", total.retried_share, formatting.share),
        ("Read from cache", total.cached_share, formatting.share),
    ]
    return [Card(name, NOTHING if v is None else write(v)) for name, v, write in facts]
