"""Requests that count for a key, its person and its team: the tightest of all limits decides, and
what passes is counted for all in one step. The same in memory and in Redis."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from bridge.keys.decisions import Decision
from bridge.keys.limiter import Limiter
from bridge.keys.limits import (
    NOTHING,
    Account,
    AccountKind,
    AccountRef,
    LimitKind,
    Limits,
    QuotaUsage,
)
from tests.bridge.keys.limiter.asking import NOW, Ledger

KEY, PERSON, TEAM = AccountKind.KEY, AccountKind.PERSON, AccountKind.TEAM
CENT = 10**7
OPEN = Limits()


def of(key: Limits = OPEN, person: Limits = OPEN, team: Limits = OPEN) -> tuple[Account, ...]:
    """The accounts of one request; all have the number 7."""
    limits = {KEY: key, PERSON: person, TEAM: team}
    return tuple(
        Account(AccountRef(kind, 7), kind.value, each)
        for kind, each in limits.items()
        if not each.is_empty
    )


class Case(NamedTuple):
    """Requests of 100 tokens at one moment, of which one is refused: whose limit, and which."""

    accounts: tuple[Account, ...]
    let_in: int
    whose: AccountKind
    kind: LimitKind
    whole: QuotaUsage = NOTHING


TWO_CENTS = Decimal("0.02")
CASES = {
    "requests of the team": Case(
        of(Limits(rpm=5), team=Limits(rpm=3)), 3, TEAM, LimitKind.REQUESTS
    ),
    "requests of the key": Case(of(Limits(rpm=2), team=Limits(rpm=3)), 2, KEY, LimitKind.REQUESTS),
    "tokens of the person": Case(
        of(Limits(tpm=900), Limits(tpm=400), Limits(rpm=9)), 4, PERSON, LimitKind.TOKENS
    ),
    "places of the team": Case(
        of(Limits(concurrent=4), team=Limits(concurrent=2)), 2, TEAM, LimitKind.CONCURRENT
    ),
    "budget of the person": Case(
        of(Limits(budget_month=Decimal(1)), Limits(budget_day=TWO_CENTS)),
        2,
        PERSON,
        LimitKind.RESERVED,
        QuotaUsage(CENT, 100),
    ),
    "tokens a week of the team": Case(
        of(Limits(tokens_day=1000), team=Limits(tokens_week=300)),
        3,
        TEAM,
        LimitKind.RESERVED,
        QuotaUsage(0, 100),
    ),
    "a minute before a place": Case(
        of(Limits(concurrent=2), team=Limits(rpm=2)), 2, TEAM, LimitKind.REQUESTS
    ),
    "nothing at all for the team": Case(
        of(Limits(rpm=5), team=Limits(rpm=0)), 0, TEAM, LimitKind.REQUESTS
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
async def test_tightest_limit_decides(limiter: Limiter, case: Case) -> None:
    for _ in range(case.let_in):
        assert (await limiter.admit(case.accounts, 100, NOW, case.whole)).is_allowed
    refused = await limiter.admit(case.accounts, 100, NOW, case.whole)
    assert refused.account is not None
    assert (refused.account.ref, refused.refused) == ((case.whose, 7), case.kind)


async def test_refused_request_counts_for_nobody(limiter: Limiter) -> None:
    """Not even for those whose limits would have let it in."""
    both = of(Limits(rpm=3), team=Limits(rpm=1))
    assert (await limiter.admit(both, 0, NOW)).is_allowed
    for _ in range(5):
        assert not (await limiter.admit(both, 0, NOW)).is_allowed
    alone = of(Limits(rpm=3))
    assert [(await limiter.admit(alone, 0, NOW)).is_allowed for _ in range(3)] == [
        True,
        True,
        False,
    ]


async def test_ended_request_gives_back_to_all(limiter: Limiter) -> None:
    both = of(
        Limits(tpm=1000, concurrent=1),
        team=Limits(tpm=1000, concurrent=1, budget_month=Decimal(1), tokens_day=1000),
    )
    whole = QuotaUsage(50 * CENT, 500)
    first = (await limiter.admit(both, 400, NOW, whole)).reservation
    assert first is not None
    await limiter.settle(first, 100, Decimal("0.25"), NOW + 1)
    passing = await limiter.admit(both, 900, NOW + 2, whole)
    assert passing.is_allowed
    assert [(each.account.ref.kind, each.used) for each in passing.quotas] == [
        (TEAM, 25 * CENT),
        (TEAM, 100),
    ]


async def test_keys_of_one_team_share_what_it_may_use(limiter: Limiter) -> None:
    """Each key has a book of its own, and the team one for all."""

    def of_member(key: int) -> tuple[Account, ...]:
        mine = Account(AccountRef(KEY, key), f"k{key}", Limits(rpm=3))
        return (mine, *of(team=Limits(rpm=5)))

    asked: list[Decision] = [
        await limiter.admit(of_member(key), 0, NOW) for _ in range(3) for key in range(4)
    ]
    assert [each.is_allowed for each in asked] == [True] * 5 + [False] * 7
    whose = [each.account.ref.kind for each in asked if each.account is not None]
    assert whose == [TEAM] * 7


async def test_longest_wait_is_told(limiter: Limiter) -> None:
    """Of two minutes in the way: who waits that long is let in."""
    both = of(Limits(rpm=1), team=Limits(tpm=100))
    assert (await limiter.admit(of(team=Limits(tpm=100)), 100, NOW)).is_allowed
    assert (await limiter.admit(of(Limits(rpm=1)), 0, NOW + 20)).is_allowed
    refused = await limiter.admit(both, 50, NOW + 30)
    assert (refused.account and refused.account.ref.kind, refused.retry_after) == (KEY, 50)
    assert (await limiter.admit(both, 50, NOW + 80)).is_allowed


async def test_of_used_up_budgets_the_one_that_lasts_is_told(
    limiter: Limiter, ledger: Ledger
) -> None:
    """A new day would not help whose team has used up its month."""
    both = of(Limits(budget_day=Decimal(1)), team=Limits(budget_month=Decimal(5)))
    ledger.spent = {"day": Decimal(6), "month": Decimal(6)}
    await limiter.prime({each.ref: each.limits for each in both}, NOW)
    assert sorted(ledger.asked) == [((KEY, 7), "day"), ((TEAM, 7), "month")]
    refused = await limiter.admit(both, 0, NOW)
    assert refused.message.startswith("Budget of team team (5.00 USD a month) is used up")
    assert [each.used for each in refused.budgets] == [6 * 10**9] * 2


async def test_accounts_with_one_number_are_not_one(limiter: Limiter) -> None:
    for kind in (KEY, PERSON, TEAM):
        mine = (Account(AccountRef(kind, 7), "n", Limits(rpm=1)),)
        assert (await limiter.admit(mine, 0, NOW)).is_allowed
        assert not (await limiter.admit(mine, 0, NOW)).is_allowed


async def test_many_at_once_stop_exactly_at_the_limit_of_the_team(limiter: Limiter) -> None:
    def of_member(key: int) -> tuple[Account, ...]:
        return (Account(AccountRef(KEY, key), "k", Limits(rpm=1000)), *of(team=Limits(rpm=50)))

    asked: Any = [limiter.admit(of_member(n % 5), 0, NOW) for n in range(200)]
    verdicts: list[Decision] = await asyncio.gather(*asked)
    assert sum(each.is_allowed for each in verdicts) == 50


async def test_key_that_gets_a_team_starts_with_what_the_team_has_used(
    limiter: Limiter, ledger: Ledger
) -> None:
    """`follow` and `unknown` are about all accounts, not about keys alone."""
    team = of(team=Limits(tokens_day=100))
    known = {each.ref: each.limits for each in team}
    ledger.tokens = {"day": 100}
    limiter.follow(known)
    assert limiter.unknown(known) == known
    await limiter.prime(known, NOW)
    assert limiter.unknown(known) == {}
    assert (await limiter.admit(team, 0, NOW)).refused is LimitKind.QUOTA
