"""The ledger: lines of the spool -> rows and sums, in the background, each line exactly once.

A batch of lines becomes rows, hourly sums and session sums in one transaction, which also notes how
far the spool file is read. Only rows that were really new are summed. So a process may die at any
point: what was not committed is read again, what was is not counted twice.

When the database is away the lines wait where they are.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db import DataError, Error, IntegrityError, connection, transaction

from bridge.clocks import SYSTEM, Clocks
from bridge.database_steps import in_database
from bridge.ledger import rollups, upsert
from bridge.ledger.record import Record
from bridge.ledger.retention.erasing import erase_some
from bridge.ledger.rows import UsageRow, row_of
from bridge.ledger.spool import SET_ASIDE, Batch, Spool
from bridge.ledger.sums import kept as kept_sums
from bridge.models import (
    AttemptHour,
    KeyUse,
    LateHours,
    LostRecords,
    SpoolPosition,
    UsageHour,
    UsageRecord,
    UsageSession,
)
from bridge.models.ledger_marks import LATE
from bridge.models.usage import SumColumns
from bridge.translation.json import decode

logger = logging.getLogger(__name__)

BATCH_LINES = 500
PAUSE_SECONDS = 1.0
LONGEST_PAUSE = 10.0
UPKEEP_SECONDS = 5.0
ERASE_SECONDS = 60.0
SAMPLES_MAX_BYTES = 500 * 1024**2
FLUSH_SECONDS = 2.0
"""How long the end of a process may take for lines that still wait."""

_read_record = msgspec.json.Decoder(Record).decode
_ADDED = dict.fromkeys(SumColumns.NAMES, upsert.ADD)
_HOUR_RULES = {
    "key": upsert.LATEST,
    "person": upsert.LATEST,
    "team": upsert.LATEST,
    **_ADDED,
    **dict.fromkeys((*UsageHour.FIRST_TOKEN, *UsageHour.DURATION), upsert.ADD),
}
_ATTEMPT_RULES = dict.fromkeys(AttemptHour.COUNTED, upsert.ADD)
_SESSION_RULES = {
    "key": upsert.LATEST,
    "client": upsert.LATEST,
    "first_at": upsert.LEAST,
    "last_at": upsert.MOST,
    "largest_context": upsert.MOST,
    "model_lines": upsert.LINES,
    **_ADDED,
}


# --- one transaction ----------------------------------------------------------------------------


@transaction.atomic
def enter(records: Sequence[Record], place: tuple[str, int] | None = None) -> int:
    """Make rows and sums of the records; how many of them were new.

    `place`: the spool file that they come from, and the position behind them. Raises
    django.db.Error, and has then changed nothing.
    """
    rows: dict[str, UsageRow] = {}
    for row in map(row_of, records):
        rows.setdefault(row.request_id, row)
    values = [*map(msgspec.structs.astuple, rows.values())]
    added = upsert.insert_new(UsageRecord, UsageRow.__struct_fields__, values, "request_id")
    new = [row for row in rows.values() if row.request_id in added]
    hours = rollups.hours(new)
    upsert.merge(UsageHour, UsageHour.UNIQUE, _HOUR_RULES, _hour_rows(hours))
    kept_sums.write(hours)
    upsert.merge(AttemptHour, AttemptHour.UNIQUE, _ATTEMPT_RULES, _attempt_rows(new))
    upsert.merge(UsageSession, UsageSession.UNIQUE, _SESSION_RULES, _session_rows(new))
    upsert.merge(KeyUse, KeyUse.UNIQUE, {"last_at": upsert.MOST}, _key_uses(records))
    if place is not None:
        position = {"name": place[0], "position": place[1]}
        upsert.merge(SpoolPosition, ("name",), {"position": upsert.MOST}, [position])
    note_late(new)
    return len(new)


def _key_uses(records: Sequence[Record]) -> list[upsert.Row]:
    """When each issued key of the records was last seen."""
    latest: dict[tuple[int, str], float] = {}
    for record in records:
        if record.key_id and record.key_four:
            who = record.key_id, record.key_four[:4]
            latest[who] = max(latest.get(who, 0.0), record.started_at)
    return [
        {"key_id": key_id, "last_four": four, "last_at": datetime.fromtimestamp(at, UTC)}
        for (key_id, four), at in latest.items()
    ]


def note_late(rows: Iterable[rollups.RollupEntry]) -> None:
    """Say where a sum of an hour that is long over changes with these rows."""
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    if any(row.time < begin - LATE for row in rows):
        upsert.merge(LateHours, ("id",), {"changes": upsert.ADD}, [{"id": 1, "changes": 1}])


def _hour_rows(hours: Mapping[rollups.Group, rollups.Hour]) -> list[upsert.Row]:
    return [
        {**dict(zip(UsageHour.UNIQUE, group, strict=True)), **hour.columns, **hour.amounts}
        for group, hour in hours.items()
    ]


def _attempt_rows(rows: Sequence[UsageRow]) -> list[upsert.Row]:
    return [
        {**dict(zip(AttemptHour.UNIQUE, group, strict=True)), **amounts}
        for group, amounts in rollups.attempt_hours(rows).items()
    ]


def _session_rows(rows: Sequence[UsageRow]) -> list[upsert.Row]:
    return [
        {
            **dict(zip(UsageSession.UNIQUE, group[:-1], strict=True)),
            **session.columns,
            "model_lines": f"\n{group[-1]}\n" if group[-1] else "",
            **session.amounts,
        }
        for group, session in rollups.sessions(rows).items()
    ]


def note_lost(count: int) -> None:
    """So many records were lost, as far as is known just now. Raises django.db.Error."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    upsert.merge(LostRecords, ("hour",), {"count": upsert.ADD}, [{"hour": hour, "count": count}])


# --- the background work ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LedgerState:
    """How the writer of this process is doing.

    waiting     lines that are not rows yet;  lag_seconds  how far the rows are behind
    lost        lines that no disk and no memory took;  torn  ends of files of killed processes
    set_aside   lines that no row could be made of;  unreadable  files and folders of the spool
    """

    waiting: int
    lag_seconds: float
    spool_bytes: int
    written: int
    lost: int
    torn: int
    set_aside: int
    last_error: str
    unreadable: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Ledger:
    """The writer of one process. `retention_days`: how long rows are kept; 0 is for ever.

    `has_inherited` is set when what earlier processes left is rows, or no database takes it.
    """

    def __init__(
        self,
        spool: Spool,
        retention_days: int = 0,
        clocks: Clocks = SYSTEM,
        samples_max_bytes: int = SAMPLES_MAX_BYTES,
    ) -> None:
        self.has_inherited = asyncio.Event()
        self._clocks = clocks
        self._spool = spool
        self._retention_days = retention_days
        self._samples_max_bytes = samples_max_bytes
        self._turn = threading.Lock()
        self._current_at = clocks.wall()
        self._written = 0
        self._set_aside = 0
        self._lost_noted = 0
        self._last_error = ""
        self._pause = PAUSE_SECONDS
        self._upkeep_at = self._erase_at = float("-inf")

    @property
    def state(self) -> LedgerState:
        waiting = self._spool.depth
        return LedgerState(
            waiting=waiting,
            lag_seconds=max(0.0, self._clocks.wall() - self._current_at) if waiting else 0.0,
            spool_bytes=self._spool.size,
            written=self._written,
            lost=self._spool.lost,
            torn=self._spool.torn,
            set_aside=self._set_aside,
            last_error=self._last_error,
            unreadable=tuple(self._spool.unreadable),
        )

    @property
    def behind(self) -> tuple[int, float]:
        """Lines of this process that are not rows yet, and how many seconds the rows lack."""
        state = self.state
        return state.waiting, state.lag_seconds

    async def run(self) -> None:
        """Write what is spooled, for as long as the process lives.

        Once a second and not line by line, which would cost twenty times as much.
        """
        while await self.advance():
            pass
        self.has_inherited.set()
        while True:
            if await self.advance() < BATCH_LINES:
                await asyncio.sleep(self._pause)

    async def advance(self) -> int:
        """Write one batch; how many lines it had. 0 as well when the database is away."""
        if not self._spool.depth:
            self._current_at = self._clocks.wall()
            if self._clocks.steady() < self._upkeep_at:
                return 0
        try:
            count: int = await in_database(self.step)()
        except (Error, OSError) as error:
            self._failed(error)
            return 0
        if self._last_error:
            logger.warning("usage records are being written again")
        self._last_error, self._pause = "", PAUSE_SECONDS
        return count

    def _failed(self, error: Exception) -> None:
        message = " ".join(str(error).split()) or type(error).__name__
        if not self._last_error:
            logger.warning("usage records wait in the spool: %s", message)
        self._last_error = message
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def aclose(self) -> None:
        """Write what can be written in a moment, then let go of the spool."""
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                while await self.advance():
                    pass
        except TimeoutError:
            pass  # the next process reads the rest
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        """A step that hangs in the database holds its files until the process has ended."""
        if self._turn.acquire(timeout=FLUSH_SECONDS):
            try:
                self._spool.close()
            finally:
                self._turn.release()

    # --- in a thread ---

    def step(self) -> int:
        """Write one batch; how many lines it had. Raises django.db.Error or OSError."""
        with self._turn:
            now = self._clocks.steady()
            if self._last_error:
                connection.cursor().execute("SELECT 1")  # nothing else may need the database now
            self._look_after_files(now)
            self._note_lost()
            batch = self._spool.take(BATCH_LINES)
            if batch is not None:
                self._write(batch)
            if now >= self._erase_at:
                self._erase(now)
            return len(batch.lines) if batch else 0

    def _write(self, batch: Batch) -> None:
        records = self._records(batch)
        self._written += self._enter(records, batch.place)
        self._spool.done(batch)
        if records:
            last = records[-1]
            ended = min(last.started_at + last.seconds, self._clocks.wall())
            self._current_at = max(self._current_at, ended)

    def _records(self, batch: Batch) -> list[Record]:
        found = []
        for line in batch.lines:
            try:
                found.append(_record(line))
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the others are well
                self._put_aside(line, error)
        return found

    def _put_aside(self, line: bytes, error: Exception) -> None:
        self._set_aside += 1
        self._spool.set_aside(line, str(error) or type(error).__name__)

    def _enter(self, records: Sequence[Record], place: tuple[str, int] | None) -> int:
        """`enter`; one record that makes no row must not hold up the others."""
        try:
            return enter(records, place)
        except Exception as error:  # by the rules of `_is_of_a_record`
            if not _is_of_a_record(error):
                raise
            if len(records) <= 1:
                for record in records:
                    self._put_aside(msgspec.json.encode(record), error)
                return enter([], place)
        half = len(records) // 2
        return self._enter(records[:half], None) + self._enter(records[half:], place)

    def _look_after_files(self, now: float) -> None:
        """Find files of processes that are gone and how far they are read; forget removed ones."""
        if now >= self._upkeep_at:
            self._upkeep_at = now + UPKEEP_SECONDS
            self._spool.adopt()
            self._spool.measure()
        if unplaced := self._spool.unplaced():
            rows = SpoolPosition.objects.filter(name__in=unplaced)
            self._spool.place(dict(rows.values_list("name", "position")))
        if gone := self._spool.removed[:]:
            SpoolPosition.objects.filter(name__in=gone).delete()
            del self._spool.removed[: len(gone)]

    def _note_lost(self) -> None:
        """What is lost is a row too, once there is a database."""
        if (lost := self._spool.lost) > self._lost_noted:
            note_lost(lost - self._lost_noted)
            self._lost_noted = lost

    def _erase(self, now: float) -> None:
        """Give up some of what is too old or too much; soon again where there may be more."""
        is_more = erase_some(self._retention_days, self._samples_max_bytes)
        self._erase_at = now + (PAUSE_SECONDS if is_more else ERASE_SECONDS)


def aside(count: int) -> Iterator[str]:
    """What operators are shown of lines that no row could be made of."""
    if count:
        yield f"{count} usage records could not be stored; see {SET_ASIDE} in the usage spool"


def _is_of_a_record(error: Exception) -> bool:
    """Whether what a record holds is at fault, not the database or the machine."""
    if isinstance(error, (DataError, IntegrityError)):
        return True
    return not isinstance(error, (Error, OSError, MemoryError))


def _record(line: bytes) -> Record:
    """The record of a line. Raises whatever its text leads to."""
    try:
        return _read_record(line)
    except msgspec.DecodeError:
        return msgspec.convert(decode(line), Record)
