"""What the holder of a key may ask for, and which managed settings its client is handed."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from itertools import islice
from typing import Any

from bridge.client_settings import setup
from bridge.client_settings.managed import Policy, policy
from bridge.client_settings.merging import merged
from bridge.configuration.snapshot import Snapshot
from bridge.keys.authentication import IssuedKey
from bridge.keys.limits import Account
from bridge.ledger.pricing import MEMBERS, Prices
from bridge.routing import served
from bridge.routing.resolve import PREFIX
from bridge.routing.served import Access, every_target
from bridge.routing.types import Target

MOST_PRICED = 100
"""Names with a price in one document."""
HIGHEST_RATE = 10_000
_RATE_NAMES = ("input", "output", "cacheRead", "cacheWrite")


def access_of(key: IssuedKey | None, prices: Prices) -> Access:
    """As far as the budgets of its accounts can count it; everything for a key that is not ours."""
    if key is None:
        return Access()
    counts = partial(is_priced, prices=prices) if strict_account(key) else every_target
    return Access(key.allow_lists, counts)


def strict_account(key: IssuedKey | None) -> Account | None:
    """The first account whose budget is for priced models alone."""
    accounts = key.accounts if key else ()
    return next((each for each in accounts if each.limits.refuses_unpriced), None)


def is_priced(target: Target, prices: Prices) -> bool:
    """Whether it is known what an answer of this target costs, then if not now."""
    backend = target.backend
    if backend.is_demo or backend.prefers_own_cost:
        return True
    return prices.rates(backend.name, target.model) is not None


def policy_of(
    snapshot: Snapshot, key: IssuedKey, safeguards: str, signals: Collection[str] = ()
) -> Policy:
    """The managed settings of a key's holder. Goes through all models: for threads.

    `safeguards` as the setting; `signals`: what of its telemetry is forwarded.
    """
    routes, access = snapshot.routes, access_of(key, snapshot.prices)
    of_teams = merged(team.client_settings for team in key.teams)
    # Facts of a model, such as its window, are those of the one that the client will use.
    chosen = str(of_teams.get("model", ""))
    name = chosen if chosen and served.find(routes, chosen, access) else ""
    connection = setup.setup(routes, "", name, access=access, safeguards=safeguards)
    prices = _pricing(snapshot, access, connection.model)
    priced = {"modelPricing": {"overrides": prices}} if prices else {}
    return policy(_owner(key), connection, [priced, of_teams], signals)


def _pricing(snapshot: Snapshot, access: Access, chosen: str) -> dict[str, Any]:
    """What clients count for a million tokens, in dollars: of the main model by its name, and of
    the others by the names that their model picker has."""
    names = {chosen: served.find(snapshot.routes, chosen, access)}
    for name, route in islice(served.exact_names(snapshot.routes, access).items(), MOST_PRICED):
        names[PREFIX + name.removeprefix(PREFIX)] = route
    found = {
        name: _rates(route.targets[0], snapshot.prices) for name, route in names.items() if route
    }
    return {name: rates for name, rates in found.items() if rates}


def _rates(target: Target, prices: Prices) -> dict[str, float] | None:
    """None where no price is known, or where it is one that a client does not take."""
    rates = prices.rates(target.backend.name, target.model)
    if rates is None:
        return None
    shown = dict(
        zip(_RATE_NAMES, (getattr(rates, member) / 10**6 for member in MEMBERS), strict=True)
    )
    return shown if max(shown.values()) <= HIGHEST_RATE else None


def _owner(key: IssuedKey) -> str:
    """The same for all keys of a person that have no other team's settings."""
    return f"person {key.person.id}" if key.person else f"key {key.id}"
