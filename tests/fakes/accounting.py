"""A process that serves nothing and accounts for much: it spools records and makes rows of them.

`python -m tests.fakes.accounting N [--seed S]` tells each request id once its line is spooled, as a
client sees the end of an answer, and ends when every line that it has, or inherited, is a row.
"""

from __future__ import annotations

import argparse
import asyncio

import django

from tests.fakes import synthetic

POLL_SECONDS = 0.02


async def account(count: int, seed: int) -> None:
    from django.conf import settings

    from bridge.ledger.spool import Spool
    from bridge.ledger.writer import Ledger

    spool = Spool(settings.DATA_DIR / "spool", settings.SPOOL_MAX_BYTES)
    ledger = Ledger(spool)
    await ledger.advance()
    running = asyncio.create_task(ledger.run())
    for record in synthetic.records(count, seed, days=0.2):
        record.write(spool)
        print(record.request_id, flush=True)
        await asyncio.sleep(0)
    while ledger.state.waiting:
        await asyncio.sleep(POLL_SECONDS)
    running.cancel()
    await ledger.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    django.setup()
    asyncio.run(account(given.count, given.seed))


if __name__ == "__main__":
    main()
