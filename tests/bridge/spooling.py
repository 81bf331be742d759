"""What the tests of the spool share: lines, and how they come out again."""

from collections.abc import Callable
from pathlib import Path

from bridge.ledger.spool import Spool

BIG = 2**30
Make = Callable[..., Spool]
"""Makes spools over one folder, as processes have them."""


def drain(spool: Spool, limit: int = 3) -> list[bytes]:
    """All lines that wait, taken in batches."""
    found: list[bytes] = []
    while batch := spool.take(limit):
        assert 0 < len(batch.lines) <= limit
        found += batch.lines
        spool.done(batch)
    return found


def adopt(spool: Spool, **positions: int) -> None:
    spool.adopt()
    spool.place(positions)


def numbered(count: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(count)]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))
