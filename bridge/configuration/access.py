"""What the holder of a key may ask for, and which managed settings its client is handed."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from bridge.client_settings import setup
from bridge.client_settings.managed import Policy, policy
from bridge.client_settings.merging import merged
from bridge.configuration.snapshot import Snapshot
from bridge.keys.authentication import IssuedKey
from bridge.keys.limits import Account
from bridge.ledger.pricing import Prices
from bridge.routing import served
from bridge.routing.served import Access, every_target
from bridge.routing.types import Target


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
    # What is said of a model, such as its window, is said of the one that the client will use.
    chosen = str(of_teams.get("model", ""))
    name = chosen if chosen and served.find(routes, chosen, access) else ""
    connection = setup.setup(routes, "", name, access=access, safeguards=safeguards)
    return policy(_owner(key), connection, [of_teams], signals)


def _owner(key: IssuedKey) -> str:
    """The same for all keys of a person that have no other team's settings."""
    return f"person {key.person.id}" if key.person else f"key {key.id}"
