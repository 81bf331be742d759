"""Tests run by forks of the process that has collected them.

Collecting takes as long as many of the tests together, and so do the imports. A fork has both from
the beginning, and tells what came of each test. It asks for more before it comes to its last one:
what the next tests share with it, fixtures of the session above all, is kept.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest

from tests.fakes import forking

Unit = list[int]
"""Tests that go to one process: their places among those of the session."""
Told = tuple[int, list[dict[str, Any]]]
"""What came of a test: its place, and the reports of its phases."""
ASKS: Told = (-1, [])
"""A worker asks for a unit. An empty one is the last."""
ENDED = "the process that ran it ended with {}"


@dataclass(slots=True)
class Worker:
    """As its parent sees it. `given`: what it has not told of yet, first what it runs now."""

    number: int
    pid: int
    given: deque[int] = field(default_factory=deque)


class Sharing:
    """The parent: hands units out, and reports what it hears as if it had run the tests."""

    def __init__(self, session: pytest.Session, units: list[Unit]) -> None:
        self._session = session
        self._hook = session.config.hook
        self._units = deque(units)
        self._workers: dict[Connection, Worker] = {}
        self._started = 0

    def run(self, jobs: int) -> None:
        assert threading.active_count() == 1, "a fork would lack the other threads"
        self._session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        try:
            for _ in range(min(jobs, len(self._units))):
                self._start()
            while self._workers:
                for line in wait(list(self._workers)):
                    assert isinstance(line, Connection)
                    self._hear(line)
        finally:
            self._leave()
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)

    def _start(self) -> None:
        line, other = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            for each in (line, *self._workers):
                each.close()
            work(self._session, other, self._started)
        other.close()
        self._workers[line] = Worker(self._started, pid)
        self._started += 1

    def _hear(self, line: Connection) -> None:
        """One message, or the end of a worker."""
        told = _received(line)
        if told is None:
            self._end(line)
        elif told == ASKS:
            self._hand_out(line)
        else:
            self._pass_on(self._workers[line], *told)

    @property
    def _is_over(self) -> bool:
        return bool(self._session.shouldfail or self._session.shouldstop)

    def _hand_out(self, line: Connection) -> None:
        unit = [] if self._is_over or not self._units else self._units.popleft()
        self._workers[line].given.extend(unit)
        with suppress(OSError):  # it has ended, which is heard next
            line.send(unit)

    def _pass_on(self, worker: Worker, place: int, reports: list[dict[str, Any]]) -> None:
        assert place == worker.given.popleft()
        read = self._hook.pytest_report_from_serializable
        made = [read(config=self._session.config, data=each) for each in reports]
        self._report(self._session.items[place], made)

    def _end(self, line: Connection) -> None:
        """Where it ended in the middle of a test, a new one gets its other tests."""
        line.close()
        worker = self._workers.pop(line)
        code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
        if not worker.given or self._is_over:
            return
        item = self._session.items[worker.given.popleft()]
        text = ENDED.format(code)
        failure = pytest.TestReport(item.nodeid, item.location, {}, "failed", text, "call")
        self._report(item, [failure])
        if worker.given:
            self._units.appendleft(list(worker.given))
        if self._units:
            self._start()

    def _report(self, item: pytest.Item, reports: list[pytest.TestReport]) -> None:
        self._hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in reports:
            self._hook.pytest_runtest_logreport(report=report)
        self._hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _leave(self) -> None:
        """Whoever has no line ends when its test is over. At Ctrl-C they got it, too."""
        for line in self._workers:
            line.close()
        for worker in self._workers.values():
            os.waitpid(worker.pid, 0)


def _received(line: Connection) -> Told | None:
    """None: nobody is at the other end any more."""
    try:
        told: Told = line.recv()
    except (EOFError, OSError):
        return None
    return told


def work(session: pytest.Session, line: Connection, number: int) -> None:
    """In the fork: run what the parent hands out, and end the process."""
    atexit._clear()  # what the parent made goes with the parent
    code = 1
    try:
        _become_worker(session.config, number)
        Runner(session, line).run()
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, a fork never goes on as its parent
        traceback.print_exc()
    finally:
        forking.leave(code)


def _become_worker(config: pytest.Config, number: int) -> None:
    """Output, folders and reports of its own."""
    plugins = config.pluginmanager
    plugins.unregister(name="terminalreporter")
    capture = plugins.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    folders: Any = config._tmp_path_factory  # type: ignore[attr-defined]
    folders._basetemp = folders.getbasetemp() / f"worker{number}"
    folders._basetemp.mkdir(mode=0o700)


class Runner:
    """Runs tests. A plugin, to see their reports."""

    def __init__(self, session: pytest.Session, line: Connection) -> None:
        self._session, self._line = session, line
        self._config = session.config
        self._reports: list[dict[str, Any]] = []
        self._config.pluginmanager.register(self)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        hook = self._config.hook
        self._reports.append(hook.pytest_report_to_serializable(config=self._config, report=report))

    def run(self) -> None:
        session = self._session
        given = deque(self._ask())
        try:
            while given and not (session.shouldfail or session.shouldstop):
                place = given.popleft()
                given.extend([] if given else self._ask())
                following = session.items[given[0]] if given else None
                item = session.items[place]
                self._config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                self._line.send((place, self._reports))
                self._reports = []
        finally:
            session._setupstate.teardown_exact(None)

    def _ask(self) -> Unit:
        self._line.send(ASKS)
        unit: Unit = self._line.recv()
        return unit
