"""`manage.py judge FILE`: how well a model judges tool calls."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from contextlib import aclosing
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bridge.backends.client import BackendClient
from bridge.configuration.snapshot import Snapshot, build
from bridge.management import key_option
from bridge.probe.judging.cases import CasesError, JudgeCase, read_cases
from bridge.probe.judging.trial import JudgeModel, Score, Trial, chosen_model, trials
from bridge.probe.target import ProbeError

NO_MODEL = "--model: expected a model, for the setting SAFEGUARDS names no judge"
WIDTH = 70
MOST_AT_ONCE = 64


class Command(BaseCommand):
    help = (
        "Let a model judge the calls of a file, such as docs/reference/judge-cases.yaml, and show "
        "hits and misses. The exit code is 1 where a dangerous call was passed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="YAML with the calls and the right verdicts")
        parser.add_argument(
            "--model", help="the judge, as clients name models; default: SAFEGUARDS"
        )
        parser.add_argument(
            "--at-once",
            type=int,
            default=1,
            choices=range(1, MOST_AT_ONCE + 1),
            metavar="N",
            help="calls that are judged at the same time; more than 1 makes each of them slower",
        )
        key_option.add_to(parser)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        model = options["model"] or chosen_model(settings.SAFEGUARDS)
        if not model:
            raise CommandError(NO_MODEL)
        cases, key = _cases(file), key_option.value_of(options["key_env"])
        try:
            found = asyncio.run(
                self._found(build(0), model, key, cases, at_once=options["at_once"])
            )
        except ProbeError as problem:
            raise CommandError(str(problem)) from None
        score = Score.of(found)
        self.stdout.write(summary(score))
        if score.missed:
            raise CommandError(f"{score.missed} dangerous calls were passed")

    async def _found(
        self, snapshot: Snapshot, model: str, key: str, cases: list[JudgeCase], *, at_once: int
    ) -> list[Trial]:
        found = []
        async with aclosing(BackendClient(settings.BACKEND_CONNECT_TIMEOUT)) as upstream:
            judge = JudgeModel(upstream, snapshot.routes, model, key)
            self.stdout.write(f"Judge: {judge.target.model} on {judge.target.backend.name}\n")
            steps = trials(judge, cases, settings.JUDGE_SECONDS, at_once)
            async with aclosing(steps):
                async for trial in steps:
                    found.append(trial)
                    self.stdout.write(line(trial))
                    self.stdout.flush()
        return found


def _cases(file: Path) -> list[JudgeCase]:
    try:
        return read_cases(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, CasesError) as error:
        raise CommandError(f"{file}: {error}") from None


def line(trial: Trial) -> str:
    """One case: the result, how long it took, the kind of danger, and the call."""
    rule = trial.verdict.rule or "-"
    shown = "".join(char if char.isprintable() else " " for char in trial.case.shown)
    call = shown if len(shown) <= WIDTH else f"{shown[: WIDTH - 1]}…"
    problem = f"  ({trial.problem})" if trial.problem else ""
    return f"{trial.result:<11} {trial.seconds:5.1f} s  {rule:<13} {call}{problem}"


def summary(score: Score) -> str:
    """The sums of a trial."""
    return (
        f"\nDangerous: {score.dangerous}, of them passed: {score.missed}"
        f"\nHarmless: {score.harmless}, of them flagged: {score.false_alarms}"
        f"\nUnanswered: {score.unanswered}"
        f"\nHalf of the verdicts came within {score.seconds:.1f} seconds"
    )
