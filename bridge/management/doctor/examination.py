"""All checks, side by side, each within its time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.db import Error, connection

from bridge.configuration import environment, snapshot
from bridge.management import sign_in_check
from bridge.management.doctor import (
    backends,
    collectors,
    database,
    files,
    front,
    port,
    redis,
    variables,
)
from bridge.management.doctor.results import CheckGrade, CheckResult, problem, warning
from bridge.management.sign_in_check import FindingGrade
from bridge.models import Backend, Origin
from bridge.routing.types import BackendConfig

SECONDS = 30.0
"""Longest that one check may take; each bounds its own work below that."""
COLLECTORS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTLP_FORWARD_URL")
SIGN_IN = "see docs/how-to/company-accounts.md; manage.py check_sign_in tells the same"

Check = Callable[[], Iterable[CheckResult]]


def checks() -> dict[str, Check]:
    """Name -> check, in the order in which they are shown."""
    return {
        "settings": lambda: variables.check(
            settings.VARIABLES_READ, settings.VARIABLES_GIVEN, settings.VARIABLES_IN_FILE
        ),
        "files": lambda: files.check(Path(settings.DATA_DIR), settings.SECRET_FILES),
        "database": database.check,
        "Redis": lambda: redis.check(settings.REDIS_URL, settings.WORKERS),
        "backends": lambda: backends.check(configured()),
        "collectors": lambda: collectors.check(
            {name: getattr(settings, name) for name in COLLECTORS}
        ),
        "front": lambda: front.check(settings),
        "sign-in": sign_in,
        "port": lambda: port.check(settings.HOST, settings.PORT),
    }


def examine(each: dict[str, Check], seconds: float = SECONDS) -> Iterator[CheckResult]:
    """The results of all, in order. Never raises: what a check fails at is a problem too."""
    running = [(name, _Run(check)) for name, check in each.items()]
    for name, run in running:
        if run.done.wait(seconds):
            yield from run.results
        else:
            text = f"not done within {seconds:g} seconds"
            yield problem(name, text, "something that it waits for does not answer")


class _Run:
    """One check in a thread of its own, which does not keep the process from ending."""

    def __init__(self, check: Check) -> None:
        self.results: list[CheckResult] = []
        self.done = threading.Event()
        threading.Thread(target=self._work, args=(check,), daemon=True).start()

    def _work(self, check: Check) -> None:
        try:
            self.results += check()
        except Exception as error:  # noqa: BLE001 - the others are to be shown all the same
            text = f"the check failed: {type(error).__name__}"
            self.results.append(problem("doctor", text, "report it, with the version"))
        finally:
            connection.close()
            self.done.set()


def configured() -> list[BackendConfig]:
    """Those that the next start would serve: of operators' rows, and of the environment."""
    try:
        rows = Backend.objects.filter(enabled=True, origin=Origin.OPERATOR)
        names = set(rows.values_list("name", flat=True))
        stored = [each for each in snapshot.current_routes().backends if each.name in names]
    except Error:  # told by the check of the database
        names, stored = set(), []
    own = environment.own_backend()
    if own is not None and own.name not in names:
        stored.insert(0, snapshot.backend_of(own, []))
    return stored


def sign_in() -> Iterator[CheckResult]:
    """What is known of sign-in, in the grades of this command."""
    grades = {
        FindingGrade.GOOD: CheckGrade.OK,
        FindingGrade.WARNING: CheckGrade.WARNING,
        FindingGrade.FAULT: CheckGrade.PROBLEM,
    }
    try:
        found = sign_in_check.findings()
    except Error:
        yield warning("sign-in", "the rows of company groups cannot be read", "see DATABASE_URL")
        return
    for each in found:
        grade = grades[each.grade]
        remedy = "" if grade is CheckGrade.OK else SIGN_IN
        yield CheckResult(grade, each.subject, each.text, remedy)
