"""A gateway under a sampler while a load runs: a flame graph, and where the time goes as text.

    python -m tests.bench.profiled --load stream --server uvicorn

The sampler is py-spy, which needs leave to look at another process (root, or `ptrace_scope` 0).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import uvloop

from tests.bench.client import Asking
from tests.bench.loads import LOADS, BenchLoad
from tests.bench.processes import OWN_TARGETS, ROOT, BenchTarget
from tests.fakes.ports import reserve_port

RATE = 500
"""Samples a second."""
LISTED = 40
MISSING = "py-spy is missing: it comes with requirements-dev.txt"


def main() -> None:
    asked = _arguments()
    sampler = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if sampler is None:
        sys.exit(MISSING)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        port = reserve_port()
        backend = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.backend", str(port)], cwd=ROOT
        )
        command = OWN_TARGETS[asked.server]
        target = BenchTarget(asked.server, command, Path(scratch) / "data", port)
        try:
            target.start()
            stacks = uvloop.run(_sampled(sampler, target, LOADS[asked.load], asked.rounds))
        finally:
            target.stop()
            backend.terminate()
            backend.wait()
    asked.out.mkdir(parents=True, exist_ok=True)
    name = f"{asked.load}-{asked.server}"
    (asked.out / f"{name}.folded").write_text(stacks)
    flame = asked.out / f"{name}.svg"
    flame.write_text(_flame_graph(_counted(stacks), f"{asked.load} on {asked.server}"))
    print(_listing(_counted(stacks)), f"the flame graph is {flame}", sep="\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--load", choices=LOADS, default="stream")
    parser.add_argument("--server", choices=OWN_TARGETS, default="uvicorn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / ".bench")
    return parser.parse_args()


async def _sampled(sampler: str, target: BenchTarget, load: BenchLoad, rounds: int) -> str:
    """Stacks of the process, one a line, the outermost function first, and how often each."""
    await target.wait_ready()
    await Asking(load.warm_up(), target.port).run()
    out = target.folder / "stacks"
    options = ["--format", "raw", "--rate", str(RATE), "--output", str(out), "--gil"]
    sampling = await asyncio.create_subprocess_exec(
        *(sampler, "record", "--pid", str(target.pid), "--duration", "86400", *options),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(rounds):
        await Asking(load, target.port).run()
    sampling.send_signal(signal.SIGINT)
    await sampling.wait()
    return out.read_text()


def _counted(stacks: str) -> Counter[tuple[str, ...]]:
    """Stacks without their line numbers."""
    counted = Counter[tuple[str, ...]]()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        counted[tuple(_named(frame) for frame in stack.split(";"))] += int(count)
    return counted


def _named(frame: str) -> str:
    name, _, place = frame.rstrip(")").partition(" (")
    return f"{name} ({place.partition(':')[0].split('site-packages/')[-1]})"


def _listing(stacks: Counter[tuple[str, ...]]) -> str:
    """The functions that take most, with what they call and without."""
    within, own = Counter[str](), Counter[str]()
    for stack, count in stacks.items():
        own[stack[-1]] += count
        for frame in set(stack):
            within[frame] += count
    total = max(1, stacks.total())
    lines = [f"{'with calls':>10} {'own':>6}  function"]
    lines += [
        f"{count / total:10.1%} {own[frame] / total:6.1%}  {frame}"
        for frame, count in within.most_common(LISTED)
    ]
    return "\n".join(lines)


def _flame_graph(stacks: Counter[tuple[str, ...]], title: str) -> str:
    """One box for each function on each stack, as wide as its share."""
    width, height = 1200.0, 17
    scale, boxes = width / max(1, stacks.total()), list[str]()
    levels = [(0.0, 0, sorted(stacks.items()))]
    deepest = 0
    while levels:
        x, depth, group = levels.pop()
        deepest = max(deepest, depth)
        for name, below in _by_frame(group, depth).items():
            size = sum(count for _, count in below) * scale
            if name and size >= 0.5:
                boxes.append(_box(x, 24 + depth * height, size, height - 1, name))
                levels.append((x, depth + 1, below))
            x += size
    full = 40 + deepest * height
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{full}"'
    style = "<style>text{font:11px sans-serif}</style>"
    return f'{head}>{style}<text x="4" y="15">{title}</text>\n' + "\n".join(boxes) + "\n</svg>\n"


Group = list[tuple[tuple[str, ...], int]]


def _by_frame(group: Group, depth: int) -> dict[str, Group]:
    found = dict[str, Group]()
    for stack, count in group:
        name = stack[depth] if depth < len(stack) else ""
        found.setdefault(name, []).append((stack, count))
    return found


def _box(x: float, y: int, width: float, height: int, name: str) -> str:
    safe = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    hue = 20 + sum(map(ord, name)) % 40
    shown = safe[: int(width / 6.5)] if "&" not in safe else ""
    return (
        f'<g><title>{safe}</title><rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" '
        f'fill="hsl({hue},75%,65%)"/><text x="{x + 2:.1f}" y="{y + 12}">{shown}</text></g>'
    )


if __name__ == "__main__":
    main()
