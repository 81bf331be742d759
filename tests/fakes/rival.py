"""Another process that shares the counters of limits, as a second gateway does.

    python -m tests.fakes.rival rush     be ready; at a line of input ask often at once, and tell
                                         for each key how often it was let in
    python -m tests.fakes.rival hold     take a place, tell so, and keep it

Its keys and limits are constants, which the test shares.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path

from bridge.keys.limits import Account, AccountKind, AccountRef, Limits, QuotaUsage

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 64
ESTIMATE = 100
RUSHED: dict[int, Limits] = {
    1: Limits(rpm=AT_ONCE),
    2: Limits(tpm=AT_ONCE * ESTIMATE),
    3: Limits(concurrent=AT_ONCE),
    4: Limits(rpm=AT_ONCE, tpm=AT_ONCE * ESTIMATE, concurrent=AT_ONCE),
    6: Limits(budget_month=Decimal(AT_ONCE) / 100),
    7: Limits(tokens_day=AT_ONCE * ESTIMATE, tokens_week=2 * AT_ONCE * ESTIMATE),
}
"""Each lets in as many requests as one process makes."""
WHOLE = QuotaUsage(10**7, ESTIMATE)
HELD = 5
PLACES = Limits(concurrent=1)
LEASE_SECONDS = 1.5
PATIENCE_SECONDS = 30.0
"""For Redis, on a machine that is busy with other tests."""


def start(what: str, redis_url: str, folder: Path) -> subprocess.Popen[str]:
    """Start it; what it tells is on its standard output."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.rival", what],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "proxysite.settings",
            "PYTHONUNBUFFERED": "1",
            "REDIS_URL": redis_url,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def key_ref(key_id: int) -> AccountRef:
    return AccountRef(AccountKind.KEY, key_id)


def of_key(key_id: int, limits: Limits) -> tuple[Account]:
    """The accounts of a key that belongs to nobody."""
    return (Account(key_ref(key_id), f"k{key_id}", limits),)


async def nothing_used(
    accounts: Collection[AccountRef], period: str
) -> Mapping[AccountRef, QuotaUsage]:
    return {}


async def rush() -> dict[int, int]:
    """How many of the requests of each key were let in, all made at once."""
    from bridge.keys import redis_limiter
    from bridge.keys.limiter import Limiter

    redis_limiter.PATIENCE_SECONDS = PATIENCE_SECONDS
    limiter = Limiter(nothing_used, with_redis=True)
    let_in = {}
    for key_id, limits in RUSHED.items():
        now = time.time()
        accounts = of_key(key_id, limits)
        asked = [limiter.admit(accounts, ESTIMATE, now, WHOLE) for _ in range(AT_ONCE)]
        let_in[key_id] = sum(verdict.is_allowed for verdict in await asyncio.gather(*asked))
        assert limiter.is_shared
    await limiter.aclose()
    return let_in


async def hold() -> None:
    from bridge.keys import redis_limiter
    from bridge.keys.limiter import Limiter

    redis_limiter.PATIENCE_SECONDS = PATIENCE_SECONDS
    limiter = Limiter(nothing_used, LEASE_SECONDS, with_redis=True)
    verdict = await limiter.admit(of_key(HELD, PLACES), 0, time.time())
    print("holds" if verdict.is_allowed else "was refused")
    await limiter.run()


def main(what: str) -> None:
    if what == "hold":
        asyncio.run(hold())
        return
    print("ready")
    sys.stdin.readline()
    print(*asyncio.run(rush()).values())


if __name__ == "__main__":
    main(sys.argv[1])
