"""What a check finds: a sentence on one thing, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class CheckGrade(StrEnum):
    """How bad it is. A problem keeps the gateway, or a part of it, from working."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`subject`: the setting, file or part that was looked at; `remedy`: what to do, "" for ok."""

    grade: CheckGrade
    subject: str
    text: str
    remedy: str = ""

    def document(self) -> dict[str, str]:
        return {name: str(value) for name, value in asdict(self).items()}


def ok(subject: str, text: str) -> CheckResult:
    return CheckResult(CheckGrade.OK, subject, text)


def warning(subject: str, text: str, remedy: str) -> CheckResult:
    return CheckResult(CheckGrade.WARNING, subject, text, remedy)


def problem(subject: str, text: str, remedy: str) -> CheckResult:
    return CheckResult(CheckGrade.PROBLEM, subject, text, remedy)
