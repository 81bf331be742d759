"""`manage.py doctor`: look the installation over, say what is wrong and what to do."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from bridge.logs.request_line import escaped
from bridge.management.doctor.examination import checks, examine
from bridge.management.doctor.results import CheckGrade, CheckResult


class Command(BaseCommand):
    help = (
        "Check settings, files, database, Redis, backends, collectors, TLS, sign-in and the port."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="write one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(examine(checks()))
        problems = sum(each.grade is CheckGrade.PROBLEM for each in found)
        warnings = sum(each.grade is CheckGrade.WARNING for each in found)
        if options["json"]:
            document = {
                "problems": problems,
                "warnings": warnings,
                "results": [each.document() for each in found],
            }
            self.stdout.write(json.dumps(document, indent=1))
        else:
            for each in found:
                self._show(each)
            self.stdout.write(f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}")
        if problems:
            raise SystemExit(1)

    def _show(self, result: CheckResult) -> None:
        style = {
            CheckGrade.OK: self.style.SUCCESS,
            CheckGrade.WARNING: self.style.WARNING,
            CheckGrade.PROBLEM: self.style.ERROR,
        }[result.grade]
        text = escaped(f"{result.subject}: {result.text}")
        self.stdout.write(f"{style(f'{result.grade:8}')} {text}")
        if result.remedy:
            self.stdout.write(f"{'':8} -> {escaped(result.remedy)}")


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
