"""`manage.py recompute_cost`: the cost of recorded requests at today's prices, after a price was
added."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bridge.cluster import redis
from bridge.configuration.snapshot import current_prices
from bridge.ledger.pricing import usd
from bridge.ledger.report import UnknownNameError
from bridge.ledger.repricing.applying import Repricer
from bridge.ledger.repricing.costs import costs_now
from bridge.ledger.repricing.preview import ModelChange, preview, total
from bridge.ledger.repricing.scope import RepricingScope
from bridge.spans import HOUR, full_hour, zone_called

T = TypeVar("T")
HEAD = ("model", "backend", "requests", "before", "after")


class Command(BaseCommand):
    help = "Give recorded requests without a price the cost that they have at today's prices."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since",
            required=True,
            metavar="WHEN",
            help="24h, 7d, 4w, or a date such as 2026-11-01",
        )
        parser.add_argument(
            "--until", metavar="WHEN", help="an end, in the same forms, not included; now"
        )
        parser.add_argument("--model", default="", metavar="NAME", help="or a glob; every model")
        parser.add_argument("--key", default="", metavar="NAME", help="only what this key used")
        parser.add_argument("--timezone", default="UTC", help="in which days begin and end")
        parser.add_argument(
            "--all",
            action="store_true",
            dest="every",
            help="also requests that have a cost, which was that of another price",
        )
        parser.add_argument("--dry-run", action="store_true", help="show what would change")

    def handle(self, *args: Any, **options: Any) -> None:
        scope, costs = _scope(options), costs_now(current_prices())
        try:
            changes = preview(scope, costs)
        except UnknownNameError as error:
            raise CommandError(f"--key: {error}") from None
        self._show(changes, scope)
        if options["dry_run"] or not total(changes).requests:
            return
        done = Repricer(scope, costs).run()
        self.stdout.write(
            f"{done.requests:,} requests recomputed: "
            f"{usd(done.before):f} USD before, {usd(done.after):f} USD after."
        )
        if settings.REDIS_URL:
            _raise_counters()

    def _show(self, changes: Sequence[ModelChange], scope: RepricingScope) -> None:
        whole = total(changes)
        rows = [HEAD, *(_cells(each) for each in changes if each.requests)]
        if whole.requests:
            rows.append(("total", "", *_cells(whole)[2:]))
            widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
            for row in rows:
                cells = enumerate(zip(row, widths, strict=True))
                line = "  ".join(c.ljust(w) if n < 2 else c.rjust(w) for n, (c, w) in cells)
                self.stdout.write(line.rstrip())
        for sentence in _beside(changes):
            self.stdout.write(sentence)
        if not whole.requests:
            self.stdout.write("Nothing would change.")
        self.stdout.write(
            f"Full hours from {scope.since:%Y-%m-%d %H:%M} to {scope.until:%Y-%m-%d %H:%M}, UTC."
        )


def _scope(options: dict[str, Any]) -> RepricingScope:
    zone = _meant("timezone", zone_called, options["timezone"])
    since = _meant("since", full_hour, options["since"], zone)
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + HOUR
    if options["until"]:
        until = _meant("until", full_hour, options["until"], zone)
    return RepricingScope(since, until, options["model"], options["key"], options["every"])


def _meant(option: str, read: Callable[..., T], *given: Any) -> T:
    """Raises CommandError, which names the option."""
    try:
        return read(*given)
    except ValueError as error:
        raise CommandError(f"--{option}: {error}") from None


def _cells(change: ModelChange) -> tuple[str, ...]:
    money = (f"{usd(nano):f}" for nano in (change.before, change.after))
    return (change.model, change.backend, f"{change.requests:,}", *money)


def _beside(changes: Sequence[ModelChange]) -> list[str]:
    """What cannot be recomputed, by model."""
    unknown = [each for each in changes if not each.is_priced]
    lines = [f"{each.model} at {each.backend}: no price is known." for each in unknown]
    lines += [
        f"{each.model} at {each.backend}: {each.gone:,} requests have no row any more; "
        "their sums stay as they are."
        for each in changes
        if each.gone
    ]
    return lines


def _raise_counters() -> None:
    from bridge.ledger.repricing.counters import raise_counters  # slow, and only needed here

    try:
        raise_counters()
    except redis.AWAY as error:
        name = type(error).__name__
        raise CommandError(
            f"Redis does not answer ({name}): budgets follow within five minutes"
        ) from None
