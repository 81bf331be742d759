"""What is left of each limit, as cards: budgets and quotas first, then what slides along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge.keys.limits import LimitKind
from dashboard.display import formatting
from dashboard.display.cards import Card
from dashboard.display.cells import Meter
from dashboard.pages.page import Frame
from dashboard.queries import holders
from dashboard.queries.holders import HeldQuota, Holder, Left


@dataclass(frozen=True, slots=True)
class LimitCard:
    """A limit as a card, with how much of it is used."""

    card: Card
    meter: Meter | None = None


def limit_cards(found: Sequence[Holder], frame: Frame) -> Iterator[LimitCard]:
    """All limits of these holders. At most four queries, and one for each limit of a minute."""
    for held in holders.quotas(found, frame.now):
        yield _quota(held, frame)
    for holder in found:
        yield from _rates(holder, frame)


def _quota(held: HeldQuota, frame: Frame) -> LimitCard:
    quota, left = held.quota, held.left
    of_money = quota.kind is LimitKind.BUDGET
    show = formatting.money if of_money else formatting.tokens
    parts = (("spent" if of_money else "used", show(left.used)), ("of", show(left.most)))
    hint = "It never begins anew"
    if left.until is not None:
        again = formatting.ago(left.until, frame.now, frame.zone)
        hint = f"The next {quota.period} begins {again.text}: {again.title}"
    when = "in all" if quota.period == "total" else f"this {quota.period}"
    title = _title(f"Left {when}" if of_money else f"Tokens left {when}", held.holder)
    card = Card(title, show(left.left), parts, hint=hint, tone=_tone(left))
    return LimitCard(card, Meter(left.used, left.most, "money" if of_money else "count", "used"))


def _rates(holder: Holder, frame: Frame) -> Iterator[LimitCard]:
    row = holder.row
    minute = holders.last_minute(holder, frame.now)
    for title, used, most in (
        ("Requests left this minute", minute.requests, row.rpm),
        ("Tokens left this minute", minute.tokens, row.tpm),
    ):
        if most is not None:
            yield _of_minute(_title(title, holder), Left(used, most))
    if row.concurrent is not None:
        hint = "More of them are refused until one ends"
        title = _title("Requests at once", holder)
        yield LimitCard(Card(title, formatting.count(row.concurrent), hint=hint))


def _of_minute(title: str, left: Left) -> LimitCard:
    parts = (("of", formatting.tokens(left.most)),)
    hint = "Without what still runs"
    card = Card(title, formatting.tokens(left.left), parts, hint=hint, tone=_tone(left))
    return LimitCard(card, Meter(left.used, left.most, "count", "used"))


def _title(words: str, holder: Holder) -> str:
    return f"{words}, {holder.words}" if holder.words else words


def _tone(left: Left) -> str:
    return "" if left.left else "bad"
