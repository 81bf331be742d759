"""Gateways take turns, load by load and round by round: ratios hold on a busy machine too.

python -m tests.bench.run --targets daphne,uvicorn,floor --loads json1,stream --rounds 5
python -m tests.bench.run --target other='/path/to/start {port} {backend_port}'
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import uvloop

from tests.bench import report
from tests.bench.client import Asking
from tests.bench.loads import LOADS, BenchLoad
from tests.bench.processes import OWN_TARGETS, ROOT, BenchTarget
from tests.bench.report import BenchRound, Rounds
from tests.fakes.ports import reserve_port

USUAL = "json1,json16,stream,code"
MILLI = 1000.0


def main() -> None:
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        port = reserve_port()
        backend = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.backend", str(port)], cwd=ROOT
        )
        commands = {name: OWN_TARGETS[name] for name in asked.targets.split(",") if name}
        commands |= dict(each.split("=", 1) for each in asked.target)
        targets = [
            BenchTarget(name, command, Path(scratch) / str(number), port)
            for number, (name, command) in enumerate(commands.items())
        ]
        try:
            rounds = uvloop.run(_measured(targets, asked.loads.split(","), asked.rounds))
        finally:
            for target in targets:
                target.stop()
            backend.terminate()
            backend.wait()
    print(report.write(rounds, asked.out), end="")
    if any(each.faults for of in rounds.values() for found in of.values() for each in found):
        sys.exit("some answers were not as they must be")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--targets", default="daphne,uvicorn,floor", help=", ".join(OWN_TARGETS))
    parser.add_argument("--target", action="append", default=[], help="NAME=COMMAND of another one")
    parser.add_argument("--loads", default=USUAL, help=f"of {', '.join(LOADS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / ".bench")
    return parser.parse_args()


async def _measured(targets: Sequence[BenchTarget], loads: Sequence[str], count: int) -> Rounds:
    rounds: Rounds = {load: {target.name: [] for target in targets} for load in loads}
    for target in targets:
        target.start()
    for target in targets:
        await target.wait_ready()
        for load in loads:
            await _round(LOADS[load].warm_up(), target)
    for _ in range(count):
        for load in loads:
            for target in targets:
                rounds[load][target.name].append(await _round(LOADS[load], target))
    return rounds


async def _round(load: BenchLoad, target: BenchTarget) -> BenchRound:
    before = target.cpu_ms()
    answers = await Asking(load, target.port).run()
    cpu, memory = target.cpu_ms() - before, target.memory_mib()
    for fault in answers.faults[:1]:
        print(f"{target.name}: {fault}", file=sys.stderr)
    whole = sorted(answers.whole) or [0.0]
    return BenchRound(
        cpu / load.requests,
        memory,
        median(answers.first or [0.0]) * MILLI,
        median(whole) * MILLI,
        whole[len(whole) * 99 // 100] * MILLI,
        len(answers.faults),
    )


if __name__ == "__main__":
    main()
